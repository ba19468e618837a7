"""Runs the scenarios of one client and prints one result line for each.

    ok <milliseconds> <name>
    not ok <milliseconds> <name>
        <why, on indented lines>
    done

The environment says where the broker is (KAFKA_PORT, AMQP_PORT), which one it is (TARGET is
'posthorn' or 'peer'), and, for every documented difference between the two, what to expect
(EXPECT_<name>). SCENARIO, if set, runs only scenarios whose name contains it.
"""

import faulthandler
import os
import signal
import sys
import time
import traceback

TARGET = os.environ.get('TARGET', 'peer')
KAFKA = 'localhost:' + os.environ.get('KAFKA_PORT', '9092')
AMQP_PORT = int(os.environ.get('AMQP_PORT', '5672'))

_scenarios = []


def scenario(function):
    _scenarios.append(function)
    return function


def expected(name):
    """What this target answers where the two are known to differ (see differences.ts)."""
    return os.environ['EXPECT_' + name]


def unique(name):
    """A name nobody used before on this broker."""
    return '%s-%x' % (name, time.time_ns() // 1000)


def eventually(check, seconds=15, every=0.1):
    """Calls check until it returns something true; returns that."""
    deadline = time.monotonic() + seconds
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError('still %r after %s s' % (result, seconds))
        time.sleep(every)


def equal(actual, wanted, what=''):
    if actual != wanted:
        raise AssertionError('%s\n  expected %s\n  got      %s' % (what, short(wanted), short(actual)))


def short(value):
    text = repr(value)
    return text if len(text) <= 800 else text[:400] + ' … ' + text[-400:]


def main(limit_seconds=90):
    def too_long(signum, frame):
        raise TimeoutError('no end after %d s' % limit_seconds)

    signal.signal(signal.SIGALRM, too_long)
    failed = 0
    for function in _scenarios:
        name = function.__name__
        if os.environ.get('SCENARIO', '') not in name:
            continue
        started = time.monotonic()
        signal.alarm(limit_seconds)
        # A client that hangs in C code hears no signal: then say where, and end.
        faulthandler.dump_traceback_later(limit_seconds + 15, exit=True)
        problem = None
        try:
            function()
        except Exception:
            problem = traceback.format_exc(limit=-6)
        finally:
            signal.alarm(0)
            faulthandler.cancel_dump_traceback_later()
        took = int((time.monotonic() - started) * 1000)
        print(('ok' if problem is None else 'not ok'), took, name)
        if problem is not None:
            failed += 1
            print('    ' + problem.strip().replace('\n', '\n    '))
        sys.stdout.flush()
    print('done')
    sys.stdout.flush()
    # Client libraries leave threads behind that would delay or spoil the exit code.
    os._exit(1 if failed else 0)
