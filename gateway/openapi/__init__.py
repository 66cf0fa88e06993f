"""The front door's JSON as an OpenAPI 3.1 document, made from the contract itself."""
