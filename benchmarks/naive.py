"""What a team would write in an afternoon: a consumer, a pipeline, a sorted set.

``python -m benchmarks.naive BOOTSTRAP REDIS_URL TOPIC DOCUMENTS MODEL_FOLDER`` consumes until it
has classified that many documents and prints documents a second, the time to load left out.
"""

import json
import os
import sys
import time
from pathlib import Path

from kafka import KafkaConsumer
from redis import Redis
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    pipeline,
)

from classifier.labels import SENTIMENTS


def sentiment_pipeline(folder: Path):
    """Transformers' own pipeline over the same encoder and sentiment head."""
    config = BertConfig.from_pretrained(folder, num_labels=len(SENTIMENTS))
    config.id2label = dict(enumerate(SENTIMENTS))
    model = BertForSequenceClassification(config)
    weights = load_file(folder / "model.safetensors")
    encoder = {k.removeprefix("encoder."): v.float() for k, v in weights.items()}
    model.bert.load_state_dict(encoder, strict=False)
    model.classifier.weight.data = weights["sentiment.weight"].float()
    model.classifier.bias.data = weights["sentiment.bias"].float()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_file(str(folder / "tokenizer.json")),
        pad_token="[PAD]",
        model_max_length=128,
    )
    return pipeline("text-classification", model=model.eval(), tokenizer=tokenizer, batch_size=32)


def main() -> None:
    """Run the loop."""
    bootstrap, redis_url, topic, documents, folder = sys.argv[1:6]
    classify = sentiment_pipeline(Path(folder))
    store = Redis.from_url(redis_url)
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"naive-{os.getpid()}",
        auto_offset_reset="earliest",
    )
    while not (first := consumer.poll(1000, max_records=32)):
        pass
    started, done = time.perf_counter(), 0
    polled = first
    while done < int(documents):
        rows = [json.loads(record.value) for records in polled.values() for record in records]
        if rows:
            results = classify([row["text"] for row in rows], truncation=True)
            for row, result in zip(rows, results, strict=True):
                store.zadd(f"naive:{result['label']}", {row["id"]: done})
                done += 1
        polled = consumer.poll(200, max_records=32)
    print(json.dumps({"documents": done, "seconds": time.perf_counter() - started}))
    consumer.close(timeout_ms=1000)


if __name__ == "__main__":
    main()
