"""The generator of the package's operations, and the tables that it reads beside the service model."""
