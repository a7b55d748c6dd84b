"""What runs inside users' pods beside their own containers: waits, acquires, and keeps what was acquired."""
