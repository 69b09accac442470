"""``make bench``: all measurements, one after the other."""

from benchmarks import delay, throughput, watching

if __name__ == "__main__":
    for part in (throughput, watching, delay):
        part.main()
        print(flush=True)
