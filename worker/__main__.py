"""``python -m worker``: one worker, for one GPU."""

from worker.app import main

if __name__ == "__main__":
    main()
