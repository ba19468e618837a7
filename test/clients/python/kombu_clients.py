"""kombu and celery: a task queue over the broker, with prefetch, retries, expiry and the remote control fanout."""

import os
import socket
import subprocess
import sys
import time

import kombu

from scenario import AMQP_PORT, equal, eventually, main, scenario, unique

URL = 'amqp://guest:guest@localhost:%d//' % AMQP_PORT


@scenario
def kombu_producer_and_consumer_of_each_serializer():
    exchange = kombu.Exchange(unique('media'), 'topic', durable=True)
    queue = kombu.Queue(unique('video'), exchange=exchange, routing_key='video.#', auto_delete=True)
    payloads = [('json', {'a': [1, None, 'ü']}), ('raw', b'\x00\xff')]
    got = []
    with kombu.Connection(URL, transport_options={'confirm_publish': True}) as connection:
        producer = connection.Producer(serializer='json')
        with connection.Consumer(queue, callbacks=[lambda body, m: (got.append((body, m)), m.ack())], accept=None):
            for serializer, payload in payloads:
                producer.publish(
                    payload,
                    exchange=exchange,
                    routing_key='video.%s' % serializer,
                    declare=[queue],
                    serializer=serializer if serializer != 'raw' else None,
                    compression='zlib' if serializer == 'json' else None,
                    content_type='application/data' if serializer == 'raw' else None,
                    content_encoding='binary' if serializer == 'raw' else None,
                    headers={'kind': serializer},
                )
            deadline = time.monotonic() + 10
            while len(got) < 2:
                assert time.monotonic() < deadline, got
                try:
                    connection.drain_events(timeout=0.5)
                except socket.timeout:
                    pass
        equal([body for body, _ in got], [{'a': [1, None, 'ü']}, b'\x00\xff'])
        equal([m.headers['kind'] for _, m in got], ['json', 'raw'])
        exchange(connection).delete()


@scenario
def kombu_simple_queue_and_heartbeat():
    with kombu.Connection(URL, heartbeat=2) as connection:
        queue = connection.SimpleQueue(unique('simple'))
        for n in range(10):
            queue.put({'n': n})
        eventually(lambda: queue.qsize() == 10)
        for n in range(10):
            message = queue.get(timeout=5)
            equal(message.payload, {'n': n})
            message.ack()
        for _ in range(5):
            time.sleep(0.5)
            connection.heartbeat_check()
            try:
                connection.drain_events(timeout=0.1)
            except socket.timeout:
                pass
        queue.close()
        queue.queue(connection).delete()


@scenario
def celery_worker_with_results_retries_and_remote_control():
    os.environ['CELERY_QUEUE'] = unique('celery')
    from celery_tasks import add, app, flaky

    command = [sys.executable, '-m', 'celery', '-A', 'celery_tasks', 'worker', '-P', 'threads', '-c', '2', '-l', 'ERROR']
    worker = subprocess.Popen(command, cwd=os.path.dirname(os.path.abspath(__file__)), stdout=sys.stderr)
    try:
        # Remote control goes over a fanout exchange and comes back over a reply queue.
        answers = eventually(lambda: app.control.ping(timeout=1), 30)
        assert all(list(answer.values())[0] == {'ok': 'pong'} for answer in answers), answers
        results = [add.delay(n, n) for n in range(20)]
        equal([result.get(timeout=20) for result in results], [2 * n for n in range(20)])
        equal(flaky.delay().get(timeout=20), 3)
        # A countdown makes the worker hold the task and raise its prefetch meanwhile.
        later = [add.apply_async((n, 1), countdown=0.5) for n in range(5)]
        equal([result.get(timeout=20) for result in later], [1, 2, 3, 4, 5])
        [queues] = app.control.inspect(timeout=2).active_queues().values()
        equal([queue['name'] for queue in queues], [os.environ['CELERY_QUEUE']])
    finally:
        worker.terminate()
        worker.wait(20)
    app.amqp.queues[os.environ['CELERY_QUEUE']](app.connection()).delete()


main()
