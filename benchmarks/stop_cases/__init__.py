"""What is done to servers, and to those who watch over them; shared by benchmark and tests."""
