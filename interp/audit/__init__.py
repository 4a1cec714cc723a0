"""The audit: everything put together, with a verdict."""
