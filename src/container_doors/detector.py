"""The public Python interface: a published model, and what it finds in photographs."""
