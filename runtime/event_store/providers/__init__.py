"""Where commits are kept: in DynamoDB, or in this process; both are one provider over the store port."""
