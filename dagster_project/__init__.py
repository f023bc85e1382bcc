"""How it runs: definitions, schedules, sensors and the command line."""
