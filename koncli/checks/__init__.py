"""What the doctor looks at, one module for each group of questions; `koncli.doctor` asks them in order."""
