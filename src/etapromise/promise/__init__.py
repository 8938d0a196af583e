"""What we tell the customer: the promise, alone or in a batch, and the model that makes it."""
