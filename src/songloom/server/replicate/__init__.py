"""The HTTP API that code written for Replicate calls: everything under /v1."""
