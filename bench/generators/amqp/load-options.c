/* Command line of the AMQP load generator: see load-pair.h for what each option means. */
#include "load-pair.h"

#include <getopt.h>

static const struct option known[] = {
  {"host", required_argument, NULL, 'h'},     {"port", required_argument, NULL, 'p'},
  {"queue", required_argument, NULL, 'q'},    {"queue-type", required_argument, NULL, 't'},
  {"mode", required_argument, NULL, 'm'},     {"durable", no_argument, NULL, 'd'},
  {"pairs", required_argument, NULL, 'n'},    {"size", required_argument, NULL, 's'},
  {"window", required_argument, NULL, 'w'},   {"backlog", required_argument, NULL, 'b'},
  {"messages", required_argument, NULL, 'c'}, {"prefetch", required_argument, NULL, 'f'},
  {"ack-every", required_argument, NULL, 'a'}, {"seconds", required_argument, NULL, 'T'},
  {"warmup", required_argument, NULL, 'W'},   {NULL, 0, NULL, 0},
};

static enum mode mode(const char *text) {
  if (strcmp(text, "both") == 0) return MODE_BOTH;
  if (strcmp(text, "publish") == 0) return MODE_PUBLISH;
  if (strcmp(text, "backlog") == 0) return MODE_BACKLOG;
  fail("mode %s is none of both, publish, backlog", text);
}

static void check(const struct options *o) {
  if (o->ackEvery == 0 && o->prefetch > 0) fail("--prefetch needs --ack-every");
  if (o->prefetch > 0 && o->ackEvery > o->prefetch) fail("--ack-every is above --prefetch");
  if (o->mode == MODE_BACKLOG && o->messages < 10u * (uint64_t)o->pairs) {
    fail("backlog mode needs --messages");
  }
}

void parseOptions(struct options *o, int argc, char **argv) {
  *o = (struct options){.host = "127.0.0.1", .port = "5672", .queue = "load", .mode = MODE_BOTH,
                        .pairs = 1, .bodyBytes = 100, .backlog = 20000, .seconds = 5,
                        .warmupSeconds = 1};
  int letter;
  while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
    switch (letter) {
      case 'h': o->host = optarg; break;
      case 'p': o->port = optarg; break;
      case 'q': o->queue = optarg; break;
      case 't': o->queueType = optarg; break;
      case 'm': o->mode = mode(optarg); break;
      case 'd': o->durable = 1; break;
      case 'n': o->pairs = (int)parseNumber(optarg, 1, 64); break;
      case 's': o->bodyBytes = (uint32_t)parseNumber(optarg, 8, 100000); break;
      case 'w': o->window = parseNumber(optarg, 0, 500000); break;
      case 'b': o->backlog = parseNumber(optarg, 1, 1000000); break;
      case 'c': o->messages = parseNumber(optarg, 1, 100000000); break;
      case 'f': o->prefetch = (uint16_t)parseNumber(optarg, 0, 65535); break;
      case 'a': o->ackEvery = (uint32_t)parseNumber(optarg, 0, 65535); break;
      case 'T': o->seconds = parseSeconds(optarg); break;
      case 'W': o->warmupSeconds = parseSeconds(optarg); break;
      default: fail("unknown option");
    }
  }
  if (optind < argc) fail("unexpected argument %s", argv[optind]);
  check(o);
}
