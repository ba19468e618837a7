"""pika: every refusal with its reply code and text; connections: negotiation, login, vhosts, heartbeats."""

import socket
import struct
import time

import pika
import pika.exceptions

from pika_session import bodies, channel, connect, publish, refused_channel, refused_connection, take
from scenario import AMQP_PORT, equal, expected, main, scenario, unique


@scenario
def what_does_not_exist():
    missing = unique('missing')
    queue_error = (404, "NOT_FOUND - no queue '%s' in vhost '/'" % missing)
    exchange_error = (404, "NOT_FOUND - no exchange '%s' in vhost '/'" % missing)
    for action, wanted in (
        (lambda c: c.queue_declare(missing, passive=True), queue_error),
        (lambda c: c.basic_get(missing), queue_error),
        (lambda c: c.basic_consume(missing, lambda *_: None), queue_error),
        (lambda c: c.queue_purge(missing), queue_error),
        (lambda c: c.queue_bind(missing, 'amq.direct', 'k'), queue_error),
        (lambda c: c.exchange_declare(missing, passive=True), exchange_error),
        (lambda c: publish(c, 'k', b'x', exchange=missing), exchange_error),
        (lambda c: c.exchange_bind('amq.direct', missing), exchange_error),
        (lambda c: c.exchange_bind(missing, 'amq.direct'), exchange_error),
        (lambda c: (c.queue_declare('', exclusive=True), c.queue_bind('', missing, 'k')), exchange_error),
        (lambda c: c.queue_bind('', 'amq.direct', 'k'), (404, 'NOT_FOUND - no previously declared queue')),
    ):
        equal(refused_channel(action), wanted)
    # Unbinding and deleting what is not there is fine.
    with channel() as ch:
        ch.exchange_delete(missing)
        ch.queue_delete(missing)
        ch.queue_declare('', exclusive=True)
        ch.queue_unbind('', 'amq.direct', 'never bound')


@scenario
def unequal_queue_declarations():
    with channel() as ch:
        plain, durable, rich = unique('plain'), unique('durable'), unique('rich')
        ch.queue_declare(plain)
        ch.queue_declare(durable, durable=True)
        arguments = {'x-message-ttl': 1000, 'x-dead-letter-exchange': 'dlx', 'x-max-priority': 3}
        ch.queue_declare(rich, arguments=arguments)

        def text(argument, name, received, current):
            return (
                406,
                "PRECONDITION_FAILED - inequivalent arg '%s' for queue '%s' in vhost '/': received %s but current is %s"
                % (argument, name, received, current),
            )

        def value(v, kind):
            return "the value '%s' of type '%s'" % (v, kind)

        for name, options, wanted in (
            (plain, {'durable': True}, ('durable', "'true'", "'false'")),
            (durable, {}, ('durable', "'false'", "'true'")),
            (plain, {'auto_delete': True}, ('auto_delete', "'true'", "'false'")),
            (rich, {}, None),
            (plain, {'arguments': {'x-message-ttl': 5}}, ('x-message-ttl', value(5, 'signedint'), 'none')),
            (
                rich,
                {'arguments': {**arguments, 'x-message-ttl': 2000}},
                ('x-message-ttl', "'2000'", "'1000'"),
            ),
            (
                rich,
                {'arguments': {**arguments, 'x-dead-letter-exchange': 'other'}},
                ('x-dead-letter-exchange', "'other'", "'dlx'"),
            ),
            (rich, {'arguments': {**arguments, 'x-max-priority': 4}}, None),
            (plain, {'arguments': {'x-queue-type': 'quorum'}}, None),
        ):
            code, got = refused_channel(lambda c: c.queue_declare(name, **options))
            if wanted is None:
                equal(code, 406)
                assert got.startswith('PRECONDITION_FAILED - inequivalent arg '), got
            else:
                equal((code, got), text(wanted[0], name, wanted[1], wanted[2]))
        # The same again, also with another integer width, is the same.
        ch.queue_declare(rich, arguments={**arguments, 'x-message-ttl': 1000})
        ch.queue_declare(plain, arguments={'x-queue-type': 'classic'})
        for name in (plain, durable, rich):
            ch.queue_delete(name)


@scenario
def unequal_exchange_declarations():
    with channel() as ch:
        exchange = unique('direct')
        ch.exchange_declare(exchange, 'direct')

        def text(argument, received, current):
            return (
                406,
                "PRECONDITION_FAILED - inequivalent arg '%s' for exchange '%s' in vhost '/': received %s but current is %s"
                % (argument, exchange, received, current),
            )

        for kind, options, wanted in (
            ('topic', {}, text('type', "'topic'", "'direct'")),
            ('direct', {'durable': True}, text('durable', "'true'", "'false'")),
            ('direct', {'auto_delete': True}, text('auto_delete', "'true'", "'false'")),
            ('direct', {'internal': True}, text('internal', "'true'", "'false'")),
            (
                'direct',
                {'arguments': {'alternate-exchange': 'ae'}},
                text('alternate-exchange', "the value 'ae' of type 'longstr'", 'none'),
            ),
        ):
            equal(refused_channel(lambda c: c.exchange_declare(exchange, kind, **options)), wanted)
        ch.exchange_delete(exchange)


@scenario
def invalid_queue_arguments():
    queue = unique('invalid')
    for arguments, wanted in (
        ({'x-message-ttl': -1}, "invalid arg 'x-message-ttl' for queue '%s' in vhost '/': {value_negative,-1}"),
        ({'x-message-ttl': 'soon'}, "invalid arg 'x-message-ttl' for queue '%s' in vhost '/'"),
        ({'x-expires': 0}, "invalid arg 'x-expires' for queue '%s' in vhost '/': {value_zero,0}"),
        ({'x-max-length': -5}, "invalid arg 'x-max-length' for queue '%s' in vhost '/': {value_negative,-5}"),
        ({'x-max-priority': 256}, "invalid arg 'x-max-priority' for queue '%s' in vhost '/'"),
        ({'x-overflow': 'bogus'}, "invalid arg 'x-overflow' for queue '%s' in vhost '/'"),
        ({'x-dead-letter-routing-key': 'k'}, "invalid arg 'x-dead-letter-routing-key' for queue '%s' in vhost '/'"),
        ({'x-single-active-consumer': 'yes'}, "invalid arg 'x-single-active-consumer' for queue '%s' in vhost '/'"),
        (
            {'x-dead-letter-exchange': 5},
            "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue '%s' in vhost '/'",
        ),
        ({'x-queue-type': 'bogus'}, "invalid arg 'x-queue-type' for queue '%s' in vhost '/'"),
        ({'x-max-age': '1h'}, "invalid arg 'x-max-age' for queue '%s' in vhost '/'"),
    ):
        code, text = refused_channel(lambda c: c.queue_declare(queue, arguments=arguments))
        equal(code, 406, arguments)
        wanted = 'PRECONDITION_FAILED - ' + wanted % queue
        assert text.startswith(wanted), 'expected %r\n  got %r' % (wanted, text)


@scenario
def unknown_queue_argument_is_never_swallowed_silently():
    with channel() as ch:
        queue = unique('bogus')
        try:
            ch.queue_declare(queue, durable=True, arguments={'x-no-such-thing': 1})
            outcome = 'accepted'
            ch.queue_delete(queue)
        except pika.exceptions.ChannelClosedByBroker as closed:
            outcome = str(closed.reply_code)
    equal(outcome, expected('unknown_queue_argument'))


@scenario
def reserved_names_and_the_default_exchange():
    def refused(action):
        return refused_channel(action)

    equal(
        refused(lambda c: c.queue_declare('amq.mine')),
        (403, "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'"),
    )
    equal(
        refused(lambda c: c.exchange_declare('amq.mine')),
        (403, "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'"),
    )
    default = (403, 'ACCESS_REFUSED - operation not permitted on the default exchange')
    equal(refused(lambda c: c.exchange_delete('')), default)
    equal(refused(lambda c: (c.queue_declare('', exclusive=True), c.queue_bind('', '', 'k'))), default)
    equal(refused(lambda c: (c.queue_declare('', exclusive=True), c.queue_unbind('', '', 'k'))), default)
    equal(refused(lambda c: c.exchange_bind('amq.direct', '')), default)
    equal(refused(lambda c: c.exchange_delete('amq.direct'))[0], 403)


@scenario
def delivery_tags():
    def ack_unknown(c):
        c.basic_ack(99)

    equal(refused_channel(ack_unknown), (406, 'PRECONDITION_FAILED - unknown delivery tag 99'))
    equal(refused_channel(lambda c: c.basic_nack(5)), (406, 'PRECONDITION_FAILED - unknown delivery tag 5'))

    def ack_twice(c):
        queue = c.queue_declare('', exclusive=True).method.queue
        publish(c, queue, b'x')
        [(method, _, _)] = take(c, queue, 1)
        c.basic_ack(method.delivery_tag)
        c.basic_ack(method.delivery_tag)

    equal(refused_channel(ack_twice), (406, 'PRECONDITION_FAILED - unknown delivery tag 1'))

    def ack_no_ack(c):
        queue = c.queue_declare('', exclusive=True).method.queue
        publish(c, queue, b'x')
        time.sleep(0.1)
        c.basic_get(queue, auto_ack=True)
        c.basic_ack(1)

    equal(refused_channel(ack_no_ack), (406, 'PRECONDITION_FAILED - unknown delivery tag 1'))


@scenario
def publishing_mistakes():
    def wrong_user(c):
        c.basic_publish('', 'q', b'x', pika.BasicProperties(user_id='someone'))

    equal(
        refused_channel(wrong_user),
        (406, "PRECONDITION_FAILED - user_id property set to 'someone' but authenticated user was 'guest'"),
    )
    def bad_expiration(c):
        queue = c.queue_declare('', exclusive=True).method.queue
        c.basic_publish('', queue, b'x', pika.BasicProperties(expiration='soon'))

    code, text = refused_channel(bad_expiration)
    equal(code, 406)
    assert text.startswith("PRECONDITION_FAILED - invalid expiration 'soon'"), text


@scenario
def qos_mistakes():
    equal(
        refused_connection(lambda c: c.basic_qos(prefetch_size=10)),
        (540, 'NOT_IMPLEMENTED - prefetch_size!=0 (10)'),
    )


@scenario
def consumer_tag_taken_closes_the_connection():
    def twice(c):
        queue = c.queue_declare('', exclusive=True).method.queue
        c._impl.basic_consume(queue, lambda *_: None, consumer_tag='mine')
        time.sleep(0.2)
        # pika itself refuses a second one, so the frame is written by hand.
        c._impl._send_method(pika.spec.Basic.Consume(queue=queue, consumer_tag='mine'))
        c.connection._flush_output()

    equal(refused_connection(twice), (530, "NOT_ALLOWED - attempt to reuse consumer tag 'mine'"))


@scenario
def unknown_exchange_type():
    def declare(ch):
        ch.exchange_declare(unique('x'), 'x-nonsense')

    if expected('unknown_exchange_type') == '406, the channel':
        equal(refused_channel(declare), (406, "PRECONDITION_FAILED - unknown exchange type 'x-nonsense'"))
    else:
        equal(refused_connection(declare), (503, "COMMAND_INVALID - unknown exchange type 'x-nonsense'"))


@scenario
def login_and_vhost():
    for user, password in (('guest', 'wrong'), ('nobody', 'guest')):
        try:
            connect(user, password)
            raise AssertionError('logged in')
        except pika.exceptions.ProbableAuthenticationError as error:
            assert '403' in str(error), error
            assert (
                'ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. '
                'For details see the broker logfile.' in str(error)
            ), error
    try:
        connect(virtual_host='nowhere')
        raise AssertionError('opened')
    except pika.exceptions.ConnectionClosedByBroker as closed:
        equal((closed.reply_code, closed.reply_text), (530, 'NOT_ALLOWED - vhost nowhere not found'))
    except pika.exceptions.ProbableAccessDeniedError as error:
        assert 'NOT_ALLOWED - vhost nowhere not found' in str(error), error


@scenario
def a_refused_channel_leaves_the_connection_usable():
    with channel() as ch:
        other = ch.connection.channel()
        try:
            other.queue_declare(unique('missing'), passive=True)
        except pika.exceptions.ChannelClosedByBroker:
            pass
        again = ch.connection.channel(other.channel_number)
        queue = again.queue_declare('', exclusive=True).method.queue
        publish(ch, queue, b'x')
        equal(bodies(again, queue, 1), [b'x'])


@scenario
def server_properties_and_tuning():
    connection = connect(heartbeat=33)
    try:
        impl = connection._impl
        properties = impl.server_properties
        equal(properties['product'], 'RabbitMQ')
        assert all(part.isdigit() for part in properties['version'].split('.')[:2]), properties['version']
        wanted = [
            'publisher_confirms',
            'exchange_exchange_bindings',
            'basic.nack',
            'consumer_cancel_notify',
            'connection.blocked',
            'consumer_priorities',
            'authentication_failure_close',
            'per_consumer_qos',
            'direct_reply_to',
        ]
        equal({name: properties['capabilities'].get(name) for name in wanted}, dict.fromkeys(wanted, True))
        equal((impl.params.frame_max, impl.params.channel_max, impl.params.heartbeat), (131072, 2047, 33))
    finally:
        connection.close()


class Raw:
    """A bare socket that speaks just enough AMQP to misbehave."""

    def __init__(self, heartbeat=0, frame_max=131072, header=b'AMQP\x00\x00\x09\x01'):
        self.socket = socket.create_connection(('localhost', AMQP_PORT), timeout=10)
        self.heartbeat, self.frame_max = heartbeat, frame_max
        self.socket.sendall(header)

    def read(self, count):
        data = b''
        while len(data) < count:
            chunk = self.socket.recv(count - len(data))
            if not chunk:
                raise EOFError('closed after %r' % data)
            data += chunk
        return data

    def frame(self):
        kind, number, size = struct.unpack('>BHI', self.read(7))
        payload = self.read(size)
        equal(self.read(1), b'\xce')
        return kind, number, payload

    def method(self, number, class_id, method_id, arguments=b''):
        payload = struct.pack('>HH', class_id, method_id) + arguments
        self.socket.sendall(struct.pack('>BHI', 1, number, len(payload)) + payload + b'\xce')

    def tune(self):
        equal(self.frame()[2][:4], struct.pack('>HH', 10, 10))
        login = b'\x00guest\x00guest'
        self.method(
            0, 10, 11, b'\x00\x00\x00\x00\x05PLAIN' + struct.pack('>I', len(login)) + login + b'\x05en_US'
        )
        equal(self.frame()[2][:4], struct.pack('>HH', 10, 30))
        self.method(0, 10, 31, struct.pack('>HIH', 2047, self.frame_max, self.heartbeat))
        return self

    def opened(self):
        self.tune()
        self.method(0, 10, 40, b'\x01/\x00\x00')
        equal(self.frame()[2][:4], struct.pack('>HH', 10, 41))
        return self

    def is_closed(self):
        """Reads until the broker closes the connection, with or without connection.close."""
        try:
            while self.socket.recv(65536):
                self.socket.settimeout(5)
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        return True

    def expect_close(self):
        """Reads up to connection.close: (code, text)."""
        while True:
            _, _, payload = self.frame()
            if payload[:4] == struct.pack('>HH', 10, 50):
                code, size = struct.unpack('>HB', payload[4:7])
                return code, payload[7 : 7 + size].decode()


@scenario
def heartbeats_are_sent_and_missed_ones_close():
    raw = Raw(heartbeat=1).opened()
    started = time.monotonic()
    beats = 0
    try:
        while time.monotonic() - started < 8:
            kind, _, _ = raw.frame()
            beats += kind == 8
    except (EOFError, ConnectionResetError):
        pass
    took = time.monotonic() - started
    assert beats >= 1, 'no heartbeat'
    assert 1.5 < took < 6, 'a silent client was dropped after %.1f s' % took


@scenario
def wrong_protocol_header_is_answered_with_the_right_one():
    raw = Raw(header=b'AMQP\x00\x00\x08\x00')
    equal(raw.read(8), b'AMQP\x00\x00\x09\x01')
    assert raw.is_closed(), 'still open'
    raw = Raw(header=b'GET / HTTP/1.1\r\n\r\n')
    equal(raw.read(8), b'AMQP\x00\x00\x09\x01')


@scenario
def broken_rules_close_the_connection():
    # A method on a channel that was never opened.
    raw = Raw().opened()
    raw.method(1, 50, 10, b'\x00\x00\x00' + b'\x00' + b'\x00\x00\x00\x00')
    code, text = raw.expect_close()
    equal((code, text), (504, "CHANNEL_ERROR - expected 'channel.open'"))
    # The same channel opened twice.
    raw = Raw().opened()
    raw.method(1, 20, 10, b'\x00')
    raw.method(1, 20, 10, b'\x00')
    code, text = raw.expect_close()
    equal((code, text), (504, "CHANNEL_ERROR - second 'channel.open' seen"))
    # A body frame nobody announced.
    raw = Raw().opened()
    raw.method(1, 20, 10, b'\x00')
    raw.socket.sendall(struct.pack('>BHI', 3, 1, 4) + b'body\xce')
    equal(raw.expect_close()[0], 505)
    # A frame that does not end where it says.
    raw = Raw().opened()
    raw.socket.sendall(struct.pack('>BHI', 8, 0, 0) + b'\x00')
    equal(raw.expect_close()[0], 501)
    # A frame larger than negotiated.
    raw = Raw(frame_max=4096).opened()
    raw.socket.sendall(struct.pack('>BHI', 3, 1, 5000) + b'x' * 5000 + b'\xce')
    equal(raw.expect_close()[0], 501)
    # A method that does not exist.
    raw = Raw().opened()
    raw.method(1, 20, 10, b'\x00')
    raw.method(1, 60, 999)
    try:
        code, _ = raw.expect_close()
        assert code in (502, 503, 540), code
    except (EOFError, ConnectionResetError):
        pass  # RabbitMQ 3.10 just drops the connection
    # Tuning above the server's limit.
    raw = Raw(frame_max=1 << 20).tune()
    try:
        equal(raw.expect_close()[0], 530)
    except (EOFError, ConnectionResetError):
        pass  # RabbitMQ 3.10 waits three seconds and closes without a word


@scenario
def many_channels():
    connection = connect()
    try:
        channels = [connection.channel() for _ in range(200)]
        queue = channels[0].queue_declare('', exclusive=True).method.queue
        for n, ch in enumerate(channels):
            publish(ch, queue, b'%d' % n)
        got = take(channels[-1], queue, 200)
        equal(sorted(int(b) for _, _, b in got), list(range(200)))
        for ch in channels[::2]:
            ch.close()
        equal(sum(ch.is_open for ch in channels), 100)
    finally:
        connection.close()


main()
