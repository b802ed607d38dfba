"""The command line: one small file a command. stdout carries data, stderr carries the rest."""
