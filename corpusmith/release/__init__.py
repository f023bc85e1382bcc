"""From curated rows to an immutable, versioned folder."""
