"""What goes on in a checkpoint while it reads fixed inputs: induction heads, attention, text that it knows by heart."""
