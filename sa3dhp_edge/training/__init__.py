"""What every training loop needs: where it runs, how it steps, what it logs, and how it goes on."""
