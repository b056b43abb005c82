"""Files that come and go: uploads, downloads from URLs, results, and the rules for each."""
