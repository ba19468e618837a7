import os

from kafka import KafkaProducer

producer = KafkaProducer(bootstrap_servers='localhost:' + os.environ['KAFKA_PORT'])
for n in range(10):
    producer.send('my-topic', b'message %d' % n)
producer.flush()
print('sent')
