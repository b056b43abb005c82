"""Nobody's own models are seen or touched."""

from tests.server.studio.conftest import home as home
