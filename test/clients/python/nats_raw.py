"""NATS over a bare socket: what goes in, and byte for byte what must come back.

Each exchange of nats_exchanges.json names the server ('open', or 'users' with logins), what a client
sends, and the answer. A PING follows what is sent, so that the answer is known to be complete: it
ends with that PING's PONG, with the end of the connection ('<closed>'), or with the server waiting for
the rest of something ('<waits>'). Only the contents of INFO are left out. The answers were taken down
from a nats-server (RECORD=1). Where Posthorn answers otherwise on purpose, 'posthorn' has its answer and
'because' the reason.
"""

import json
import os
import pathlib
import re
import socket
import time

from scenario import TARGET, equal, main, scenario, unique

PORTS = {'open': 'NATS_PORT', 'users': 'NATS_AUTH_PORT', 'token': 'NATS_TOKEN_PORT'}
FILE = pathlib.Path(__file__).with_name('nats_exchanges.json')
APP = 'CONNECT {"verbose":false,"pedantic":false,"user":"app","pass":"secret"}\r\n'


class Raw:
    """A bare connection; INFO is read and kept."""

    def __init__(self, server='open', receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(10)
        self.socket.connect(('127.0.0.1', int(os.environ[PORTS[server]])))
        self.buffer = b''
        line = self.line()
        assert line.startswith(b'INFO {'), line
        self.info = json.loads(line[5:])

    def send(self, data):
        self.socket.sendall(data.encode('latin-1') if isinstance(data, str) else data)

    def more(self):
        """Reads once; False at the end of the connection."""
        try:
            chunk = self.socket.recv(65536)
        except ConnectionResetError:
            chunk = b''
        self.buffer += chunk
        return bool(chunk)

    def line(self):
        while b'\r\n' not in self.buffer:
            if not self.more():
                raise EOFError('closed after %r' % self.buffer)
        line, self.buffer = self.buffer.split(b'\r\n', 1)
        return line

    def until(self, end):
        """Everything up to and with `end`."""
        while end not in self.buffer:
            if not self.more():
                raise EOFError('closed after %r' % self.buffer[-200:])
        at = self.buffer.index(end) + len(end)
        taken, self.buffer = self.buffer[:at], self.buffer[at:]
        return taken

    def sync(self):
        """Sends PING and gives what came before its PONG."""
        self.send('PING\r\n')
        return self.until(b'PONG\r\n')[:-6]

    def rest(self):
        """Everything until the server closes the connection."""
        while self.more():
            pass
        return self.buffer

    def close(self):
        self.socket.close()


def answer(connection, pinged):
    """What came up to the PONG of a last PING or the end, without what INFO says later."""
    try:
        connection.send('PING\r\n')
    except (BrokenPipeError, ConnectionResetError):
        pass
    connection.socket.settimeout(0.7)
    while True:
        try:
            goes_on = connection.more()
        except TimeoutError:
            return without_info(connection) + '<waits>'
        text = without_info(connection)
        if not goes_on:
            return text + '<closed>'
        if text.endswith('PONG\r\n') and (not pinged or text.count('PONG') > 1):
            return text


def without_info(connection):
    return re.sub(r'INFO \{[^\r]*\}\s*\r\n', '', connection.buffer.decode('latin-1'))


def exchanges():
    return json.loads(FILE.read_text())


def run_exchange(exchange):
    connection = Raw(exchange['server'])
    try:
        for part in exchange['send']:
            try:
                connection.send(part.replace('<1100000 bytes>', 'x' * 1_100_000).replace('<4200 bytes>', 'x' * 4200))
            except (BrokenPipeError, ConnectionResetError):
                break
        return answer(connection, any('ping' in part.lower() for part in exchange['send']))
    finally:
        connection.close()


def add_exchanges():
    groups = {}
    for exchange in exchanges():
        groups.setdefault(exchange['about'], []).append(exchange)
    for about, some in groups.items():

        def run(some=some):
            wrong = []
            for exchange in some:
                got = run_exchange(exchange)
                wanted = exchange.get(TARGET, exchange['answer'])
                if got != wanted:
                    sent = ''.join(exchange['send'])[:300]
                    wrong.append('%r on %s\n  expected %r\n  got      %r' % (sent, exchange['server'], wanted, got))
            assert not wrong, '%d of %d:\n' % (len(wrong), len(some)) + '\n'.join(wrong)

        run.__name__ = 'exchanges: ' + about
        scenario(run)


@scenario
def info_before_anything_is_sent():
    info = Raw().info
    kinds = {
        'server_id': str, 'server_name': str, 'version': str, 'go': str, 'host': str, 'port': int,
        'headers': bool, 'max_payload': int, 'proto': int, 'client_id': int, 'client_ip': str,
    }
    equal({name: type(info.get(name)) for name in kinds}, kinds)
    equal((info['proto'], info['headers'], info['max_payload']), (1, True, 1048576))
    equal(info['client_ip'], '127.0.0.1')
    assert info['version'].split('.')[0] == '2', info['version']
    assert not info.get('jetstream'), info
    assert 'auth_required' not in info or info['auth_required'] is False, info
    equal(Raw('users').info['auth_required'], True)
    first, second = Raw().info, Raw().info
    assert second['client_id'] > first['client_id'], (first, second)
    equal(first['server_id'], second['server_id'])


@scenario
def who_says_nothing_about_itself_is_cut_off():
    started = time.monotonic()
    connection = Raw('users')
    connection.socket.settimeout(20)
    text = connection.rest()
    assert b"-ERR 'Authentication Timeout'\r\n" in text, text
    assert time.monotonic() - started < 15


@scenario
def deliveries_of_several_subscriptions():
    publisher, subscriber = Raw(), Raw()
    quiet = 'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n'
    subject = unique('raw')
    subscriber.send(quiet + 'SUB %s.* 1\r\nSUB %s.> 2\r\nSUB %s.a q 3\r\nSUB %s.a q 4\r\nSUB other 5\r\n' % ((subject,) * 4))
    subscriber.sync()
    publisher.send(quiet + 'PUB %s.a 2\r\nhi\r\nPUB %s.b reply.to 0\r\n\r\nPUB %s 1\r\nx\r\n' % ((subject,) * 3))
    publisher.sync()
    lines = [line for line in subscriber.sync().split(b'\r\n') if line.startswith(b'MSG')]
    wanted = [
        'MSG %s.a 1 2' % subject, 'MSG %s.a 2 2' % subject, 'MSG %s.a Q 2' % subject,
        'MSG %s.b 1 reply.to 0' % subject, 'MSG %s.b 2 reply.to 0' % subject,
    ]
    got = sorted(re.sub(r'(\.a) [34] ', r'\1 Q ', line.decode()) for line in lines)
    equal(got, sorted(wanted))


@scenario
def subscriptions_by_number_of_messages():
    publisher, subscriber = Raw(), Raw()
    quiet = 'CONNECT {"verbose":false,"pedantic":false}\r\n'
    subject = unique('max')
    # Once the limit is behind, UNSUB with a smaller one ends it at once.
    for limits, arrive in ((['UNSUB 1 2'], 2), (['UNSUB 1 3', 'UNSUB 1'], 0), (['UNSUB 1 0'], 0), (['UNSUB 9'], 5)):
        subscriber.send(quiet + 'SUB %s 1\r\n%s\r\n' % (subject, '\r\n'.join(limits)))
        subscriber.sync()
        publisher.send(quiet + 'PUB %s 1\r\nx\r\n' % subject * 1)
        publisher.send(('PUB %s 1\r\nx\r\n' % subject) * 4)
        publisher.sync()
        equal((limits, subscriber.sync().count(b'MSG ')), (limits, arrive))
        subscriber.send('UNSUB 1\r\n')
        subscriber.sync()
    # The count begins with the subscription, not with UNSUB.
    subscriber.send('SUB %s 7\r\n' % subject)
    subscriber.sync()
    publisher.send(('PUB %s 1\r\nx\r\n' % subject) * 3)
    publisher.sync()
    subscriber.send('UNSUB 7 2\r\n')
    subscriber.sync()
    publisher.send('PUB %s 1\r\nx\r\n' % subject)
    publisher.sync()
    equal(subscriber.sync().count(b'MSG '), 0)


@scenario
def headers_reach_only_those_who_know_them():
    publisher, knows, knows_not = Raw(), Raw(), Raw()
    subject = unique('headers')
    knows.send('CONNECT {"verbose":false,"headers":true}\r\nSUB %s 1\r\n' % subject)
    knows_not.send('CONNECT {"verbose":false,"headers":false}\r\nSUB %s 1\r\n' % subject)
    knows.sync(), knows_not.sync()
    publisher.send('CONNECT {"verbose":false,"headers":true}\r\n')
    block = 'NATS/1.0\r\nA: 1\r\na: 2\r\n\r\n'
    publisher.send('HPUB %s back %d %d\r\n%sbody\r\n' % (subject, len(block), len(block) + 4, block))
    publisher.sync()
    equal(knows.until(b'body\r\n').decode(), 'HMSG %s 1 back %d %d\r\n%sbody\r\n' % (subject, len(block), len(block) + 4, block)
          if b'INFO' not in knows.buffer else '')
    equal(knows_not.sync().decode(), 'MSG %s 1 back 4\r\nbody\r\n' % subject)


@scenario
def a_subscriber_that_does_not_read_is_cut_off_and_holds_nobody_up():
    publisher, reader, stuck = Raw('users'), Raw('users'), Raw('users', receive_buffer=65536)
    subject = unique('slow')
    for connection in (reader, stuck):
        connection.send(APP + 'SUB %s 1\r\n' % subject)
        connection.sync()
    publisher.send(APP)
    body = b'x' * 65536
    frame = b'PUB %s %d\r\n%s\r\n' % (subject.encode(), len(body), body)
    count = 400
    took = time.monotonic()
    arrived = 0
    for _ in range(count):
        publisher.send(frame)
        arrived += len(reader.until(b'x\r\n'))
    took = time.monotonic() - took
    publisher.sync()
    assert arrived >= count * len(body), arrived
    assert took < 10, took
    stuck.socket.settimeout(30)
    text = stuck.rest()
    # Far less than was published: the rest was given up with the connection.
    assert len(text) < 20_000_000, len(text)


@scenario
def a_server_that_hears_nothing_of_a_verb_in_pieces_waits():
    connection = Raw()
    for piece in ('CONN', 'ECT {"verbose":false}', '\r', '\nPI', 'NG\r', '\nPUB a.b', ' 5\r\nhe', 'l', 'lo\r', '\n'):
        connection.send(piece)
        time.sleep(0.02)
    connection.until(b'PONG\r\n')
    equal(connection.sync(), b'')


def record():
    """Writes what the server at hand answers into the file, for a person to read and to commit."""
    some = exchanges()
    for exchange in some:
        exchange['answer'] = run_exchange(exchange)
        print(exchange['server'], repr(''.join(exchange['send'])[:100]), '->', repr(exchange['answer']))
    FILE.write_text(json.dumps(some, indent=2) + '\n')


if os.environ.get('RECORD'):
    record()
else:
    add_exchanges()
    main()
