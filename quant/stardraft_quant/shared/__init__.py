"""What several commands of quant need."""
