"""Downloads that go on where they were cut, and archives that cannot harm."""
