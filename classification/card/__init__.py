"""The picture of a result to share: what it says, how it is drawn, how it is answered with."""
