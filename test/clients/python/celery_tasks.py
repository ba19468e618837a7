"""The Celery application that kombu_clients.py starts a worker for."""

import os

import celery

app = celery.Celery(
    'tasks', broker='amqp://guest:guest@localhost:%s//' % os.environ.get('AMQP_PORT', '5672'), backend='rpc://'
)
app.conf.update(
    task_default_queue=os.environ.get('CELERY_QUEUE', 'celery'),
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)
attempts = []


@app.task
def add(x, y):
    return x + y


@app.task(bind=True, max_retries=3)
def flaky(self):
    attempts.append(1)
    if len(attempts) < 3:
        raise self.retry(countdown=0.1)
    return len(attempts)
