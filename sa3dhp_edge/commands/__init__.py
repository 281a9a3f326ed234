"""The commands: each parses, calls one function imported inside it, and shows what came back."""
