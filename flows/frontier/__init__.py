"""A frontier: settings of one project, trained and compared."""
