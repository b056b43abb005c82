"""What the page works with beyond the API of Replicate: the owner's library, and the machine."""
