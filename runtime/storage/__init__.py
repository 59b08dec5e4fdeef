"""Rows in DynamoDB: their format, their keys, the calls that read and write them."""
