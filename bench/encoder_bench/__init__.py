"""How fast the encoders are: shapes, the parties that compute them, what is printed."""
