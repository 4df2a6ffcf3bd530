"""Where what tasks leave behind is kept: their results, in their own objects or in Redis."""
