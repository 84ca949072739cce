import time
def test_x(arena):
    """x"""
    for _ in range(3):
        t=time.time(); s=arena.stand(""); print(time.time()-t)
