"""The program in the emulator's environment: closes the gaps of the stock emulator, then serves it.

It may import the standard library and what `requirements.txt` locks, nothing else of
this project.
"""
