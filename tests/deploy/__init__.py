"""The deploy tool against real registries, engines and an AWS that is as strict as AWS."""
