"""What makes the documentation's site and its pictures. Nothing here is installed with the product."""
