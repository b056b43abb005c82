"""`python -m songloom`."""

from songloom.cli import main

main()
