"""pika: every exchange type, bindings, properties, routing, returns, confirms."""

import datetime
import decimal

import pika
import pika.exceptions

from pika_session import assert_empty, bodies, channel, consume, publish, refused_channel, settle, take, wait_for
from scenario import equal, expected, main, scenario, unique


@scenario
def all_properties_and_header_types_survive():
    headers = {
        'true': True,
        'small': 7,
        'negative': -7,
        'long': 2**40,
        'negative long': -(2**40),
        'decimal': decimal.Decimal('3.14'),
        'text': 'käse',
        'bytes': b'\x00\xff',
        'time': datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
        'none': None,
        'table': {'a': {'b': 1}},
        'array': [1, 'two', [3, None], {'x': False}],
        'empty table': {},
        'empty array': [],
        'empty text': '',
    }
    sent = pika.BasicProperties(
        content_type='application/json',
        content_encoding='gzip',
        headers=headers,
        delivery_mode=2,
        priority=3,
        correlation_id='c-1',
        reply_to='answers',
        expiration='60000',
        message_id='m-1',
        timestamp=1700000000,
        type='t',
        user_id='guest',
        app_id='a',
        cluster_id='k',
    )
    with channel() as ch:
        queue = ch.queue_declare('', exclusive=True).method.queue
        ch.basic_publish('', queue, b'\x00body\xff', sent)
        ch.basic_publish('', queue, b'')
        [(method, got, body), (_, bare, empty)] = take(ch, queue, 2)
        equal(body, b'\x00body\xff')
        equal((method.exchange, method.routing_key, method.redelivered), ('', queue, False))
        equal(got.headers, headers)
        for name in vars(sent):
            equal(getattr(got, name), getattr(sent, name), name)
        equal(empty, b'')
        equal({k: v for k, v in vars(bare).items() if v is not None}, {})


@scenario
def direct_exchange_routes_by_exact_key():
    with channel() as ch:
        exchange = unique('direct')
        ch.exchange_declare(exchange, 'direct', auto_delete=True)
        red, blue = unique('red'), unique('blue')
        for queue, keys in ((red, ['r', 'both']), (blue, ['b', 'both'])):
            ch.queue_declare(queue, exclusive=True)
            for key in keys:
                ch.queue_bind(queue, exchange, key)
        # The same binding twice is one binding.
        ch.queue_bind(red, exchange, 'r')
        for key in ('r', 'b', 'both', 'none', 'R', 'r.x'):
            publish(ch, key, key.encode(), exchange=exchange)
        equal(bodies(ch, red, 2), [b'r', b'both'])
        equal(bodies(ch, blue, 2), [b'b', b'both'])
        ch.queue_unbind(red, exchange, 'both')
        publish(ch, 'both', b'again', exchange=exchange)
        equal(bodies(ch, blue, 1), [b'again'])
        assert_empty(ch, red)


@scenario
def fanout_exchange_ignores_keys():
    with channel() as ch:
        exchange = unique('fanout')
        ch.exchange_declare(exchange, 'fanout', auto_delete=True)
        queues = [ch.queue_declare('', exclusive=True).method.queue for _ in range(3)]
        for n, queue in enumerate(queues):
            ch.queue_bind(queue, exchange, 'key%d' % n)
        publish(ch, 'whatever', b'1', exchange=exchange)
        publish(ch, '', b'2', exchange=exchange)
        for queue in queues:
            equal(bodies(ch, queue, 2), [b'1', b'2'])


@scenario
def topic_exchange_patterns():
    patterns = {
        '#': ['', 'a', 'a.b', 'a.b.c', 'lazy.orange.male.rabbit', '..'],
        # The empty key has no word at all.
        '*': ['a'],
        'a.*': ['a.b'],
        'a.#': ['a', 'a.b', 'a.b.c'],
        '#.c': ['a.b.c'],
        'a.*.c': ['a.b.c'],
        'lazy.#.rabbit': ['lazy.orange.male.rabbit'],
        '*.*': ['a.b'],
        '#.#': ['', 'a', 'a.b', 'a.b.c', 'lazy.orange.male.rabbit', '..'],
        '*.#.*': ['a.b', 'a.b.c', 'lazy.orange.male.rabbit', '..'],
        'a.b': ['a.b'],
        '*.*.*': ['a.b.c', '..'],
    }
    keys = ['', 'a', 'a.b', 'a.b.c', 'lazy.orange.male.rabbit', '..']
    with channel() as ch:
        exchange = unique('topic')
        ch.exchange_declare(exchange, 'topic', auto_delete=True)
        queues = {}
        for pattern in patterns:
            queues[pattern] = ch.queue_declare('', exclusive=True).method.queue
            ch.queue_bind(queues[pattern], exchange, pattern)
        for key in keys:
            publish(ch, key, key.encode(), exchange=exchange)
        for pattern, matching in patterns.items():
            wanted = sorted(key.encode() for key in matching)
            got = sorted(bodies(ch, queues[pattern], len(wanted)))
            equal(got, wanted, 'pattern %r' % pattern)


@scenario
def headers_exchange_all_any_and_types():
    with channel() as ch:
        exchange = unique('headers')
        ch.exchange_declare(exchange, 'headers', auto_delete=True)
        bindings = {
            'all': {'x-match': 'all', 'type': 'report', 'pages': 2},
            'any': {'x-match': 'any', 'type': 'report', 'pages': 2},
            'default is all': {'type': 'report', 'pages': 2},
            'presence': {'x-match': 'all', 'type': None},
            'x- headers ignored': {'x-match': 'all', 'x-other': 1, 'type': 'report'},
        }
        queues = {}
        for name, arguments in bindings.items():
            queues[name] = ch.queue_declare('', exclusive=True).method.queue
            ch.queue_bind(queues[name], exchange, '', arguments)
        publish(ch, '', b'both', exchange=exchange, headers={'type': 'report', 'pages': 2})
        publish(ch, '', b'type', exchange=exchange, headers={'type': 'report'})
        publish(ch, '', b'other', exchange=exchange, headers={'type': 'log', 'pages': 2})
        publish(ch, '', b'text2', exchange=exchange, headers={'type': 'x', 'pages': '2'})
        publish(ch, '', b'none', exchange=exchange)
        equal(bodies(ch, queues['all'], 1), [b'both'], 'all')
        equal(bodies(ch, queues['any'], 3), [b'both', b'type', b'other'], 'any')
        equal(bodies(ch, queues['default is all'], 1), [b'both'], 'default')
        equal(bodies(ch, queues['presence'], 4), [b'both', b'type', b'other', b'text2'], 'presence')
        equal(bodies(ch, queues['x- headers ignored'], 2), [b'both', b'type'], 'x-')


@scenario
def exchange_to_exchange_even_in_a_circle():
    with channel() as ch:
        first, second = unique('first'), unique('second')
        ch.exchange_declare(first, 'topic')
        ch.exchange_declare(second, 'fanout')
        queue = ch.queue_declare('', exclusive=True).method.queue
        ch.exchange_bind(second, first, 'a.*')
        ch.exchange_bind(first, second, '')
        ch.queue_bind(queue, second)
        ch.queue_bind(queue, first, '#')
        publish(ch, 'a.b', b'once', exchange=first)
        publish(ch, 'c', b'directly', exchange=first)
        equal(bodies(ch, queue, 2), [b'once', b'directly'])
        ch.exchange_unbind(second, first, 'a.*')
        ch.queue_unbind(queue, first, '#')
        publish(ch, 'a.b', b'lost', exchange=first)
        assert_empty(ch, queue)
        ch.exchange_delete(first)
        publish(ch, 'k', b'second', exchange=second)
        equal(bodies(ch, queue, 1), [b'second'])
        ch.exchange_delete(second)


@scenario
def alternate_exchange_takes_what_nobody_wants():
    with channel() as ch:
        spare, exchange = unique('spare'), unique('main')
        ch.exchange_declare(spare, 'fanout')
        ch.exchange_declare(exchange, 'direct', arguments={'alternate-exchange': spare})
        wanted = ch.queue_declare('', exclusive=True).method.queue
        unwanted = ch.queue_declare('', exclusive=True).method.queue
        ch.queue_bind(wanted, exchange, 'k')
        ch.queue_bind(unwanted, spare)
        ch.confirm_delivery()
        ch.basic_publish(exchange, 'k', b'wanted', mandatory=True)
        # Routed by the alternate exchange counts as routed: no return.
        ch.basic_publish(exchange, 'x', b'unwanted', mandatory=True)
        equal(bodies(ch, wanted, 1), [b'wanted'])
        [(method, _, body)] = take(ch, unwanted, 1)
        equal((method.exchange, method.routing_key, body), (exchange, 'x', b'unwanted'))
        ch.exchange_delete(exchange)
        ch.exchange_delete(spare)


@scenario
def mandatory_unroutable_is_returned_before_its_confirm():
    with channel() as ch:
        ch.confirm_delivery()
        queue = ch.queue_declare('', exclusive=True).method.queue
        ch.basic_publish('', queue, b'routed', mandatory=True)
        properties = pika.BasicProperties(message_id='7', headers={'h': 1})
        try:
            ch.basic_publish('amq.direct', 'nobody', b'unroutable', properties, mandatory=True)
            raise AssertionError('not returned')
        except pika.exceptions.UnroutableError as error:
            [returned] = error.messages
        equal((returned.method.reply_code, returned.method.reply_text), (312, 'NO_ROUTE'))
        equal((returned.method.exchange, returned.method.routing_key), ('amq.direct', 'nobody'))
        equal((returned.body, returned.properties.message_id), (b'unroutable', '7'))
        equal(returned.properties.headers, {'h': 1})
        # Not mandatory: confirmed and gone.
        ch.basic_publish('amq.direct', 'nobody', b'dropped')


@scenario
def confirms_for_every_publish():
    with channel() as ch:
        ch.confirm_delivery()
        queue = unique('confirms')
        ch.queue_declare(queue, durable=True)
        for n in range(200):
            ch.basic_publish('', queue, b'%d' % n, pika.BasicProperties(delivery_mode=1 + n % 2))
        equal(ch.queue_declare(queue, passive=True).method.message_count, 200)
        equal(ch.queue_delete(queue).method.message_count, 200)


@scenario
def transactions():
    def select(ch):
        ch.tx_select()

    # RabbitMQ has them; Posthorn says plainly that it does not yet (connection error 540).
    outcome = 'works'
    try:
        with channel() as ch:
            select(ch)
            queue = ch.queue_declare('', exclusive=True).method.queue
            publish(ch, queue, b'rolled back')
            ch.tx_rollback()
            publish(ch, queue, b'committed')
            ch.tx_commit()
            equal(bodies(ch, queue, 1), [b'committed'])
    except pika.exceptions.ConnectionClosedByBroker as closed:
        outcome = str(closed.reply_code) + ' ' + closed.reply_text.split(' - ')[0]
    equal(outcome, expected('tx_select'))


@scenario
def cc_and_bcc_headers():
    with channel() as ch:
        to, cc, bcc = (ch.queue_declare('', exclusive=True).method.queue for _ in range(3))
        publish(ch, to, b'x', headers={'CC': [cc, to], 'BCC': [bcc], 'kept': 1})
        for queue in (to, cc, bcc):
            [(method, properties, body)] = take(ch, queue, 1)
            equal(body, b'x')
            equal(properties.headers, {'CC': [cc, to], 'kept': 1}, 'BCC is removed, CC is not')
            assert_empty(ch, queue)
            ch.basic_ack(method.delivery_tag)


@scenario
def predeclared_exchanges():
    with channel() as ch:
        for name, kind in {
            'amq.direct': 'direct',
            'amq.fanout': 'fanout',
            'amq.topic': 'topic',
            'amq.headers': 'headers',
            'amq.match': 'headers',
        }.items():
            ch.exchange_declare(name, kind, durable=True)
        queue = ch.queue_declare('', exclusive=True).method.queue
        ch.queue_bind(queue, 'amq.topic', 'predeclared.#')
        publish(ch, 'predeclared.x.y', b'hello', exchange='amq.topic')
        equal(bodies(ch, queue, 1), [b'hello'])


@scenario
def auto_delete_exchange_goes_with_its_last_binding():
    with channel() as ch:
        exchange = unique('auto')
        ch.exchange_declare(exchange, 'direct', auto_delete=True)
        queue = ch.queue_declare('', exclusive=True).method.queue
        ch.queue_bind(queue, exchange, 'a')
        ch.queue_bind(queue, exchange, 'b')
        ch.queue_unbind(queue, exchange, 'a')
        ch.exchange_declare(exchange, passive=True)
        ch.queue_unbind(queue, exchange, 'b')
        code, text = refused_channel(lambda c: c.exchange_declare(exchange, passive=True))
        equal((code, text), (404, "NOT_FOUND - no exchange '%s' in vhost '/'" % exchange))


@scenario
def internal_exchange_takes_only_from_exchanges():
    with channel() as ch:
        internal, outer = unique('internal'), unique('outer')
        ch.exchange_declare(internal, 'fanout', internal=True)
        ch.exchange_declare(outer, 'fanout')
        ch.exchange_bind(internal, outer)
        queue = ch.queue_declare('', exclusive=True).method.queue
        ch.queue_bind(queue, internal)
        publish(ch, '', b'through', exchange=outer)
        equal(bodies(ch, queue, 1), [b'through'])
        code, text = refused_channel(lambda c: publish(c, '', b'x', exchange=internal))
        equal((code, text), (403, "ACCESS_REFUSED - cannot publish to internal exchange '%s' in vhost '/'" % internal))
        ch.exchange_delete(outer)
        ch.exchange_delete(internal)


@scenario
def big_bodies_over_small_frames():
    body = bytes(range(256)) * 4096
    for frame_max, copies in ((4096, 1), (131072, 5)):
        with channel(frame_max=frame_max) as ch:
            queue = ch.queue_declare('', exclusive=True).method.queue
            publish(ch, queue, body * copies, b'after')
            got = []
            consume(ch, queue, got, auto_ack=True)
            wait_for(ch, got, 2, seconds=30)
            assert got[0][2] == body * copies, 'the body changed'
            equal(got[1][2], b'after')
            settle(ch, 0)


main()
