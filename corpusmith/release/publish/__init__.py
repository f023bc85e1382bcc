"""Where releases go, and where they are pulled from."""
