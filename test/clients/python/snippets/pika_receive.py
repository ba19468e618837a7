import os

import pika

connection = pika.BlockingConnection(pika.ConnectionParameters('localhost', int(os.environ['AMQP_PORT'])))
channel = connection.channel()
channel.queue_declare(queue='my-queue')


def callback(ch, method, properties, body):
    print(' [x] Received', body.decode(), flush=True)


channel.basic_consume(queue='my-queue', on_message_callback=callback, auto_ack=True)
channel.start_consuming()
