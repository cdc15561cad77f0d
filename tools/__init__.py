"""The generator of ``cognito_async/operations``, and the tables that it combines with the service model."""
