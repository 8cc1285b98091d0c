"""BOARD -> NUMBERS: printable boards, a camera's intrinsics from photographs of one, and where the board is.

Board frame: metres, right-handed; origin at the print's lower left corner, +x right and +y up along the print, +z out
of the paper. A board lying on a table has +z up, as the world has.
"""
