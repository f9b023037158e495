/** Fields of `config.json` that mean the same in every type. */

const precisions = ["float32", "float16", "bfloat16", "float64", "float", "half", "auto"];
const dtypes = precisions.flatMap((name) => [name, `torch.${name}`]);

/** Refused in every type; with these values they say what is computed anyway. */
export const refusedFields: Readonly<Record<string, readonly unknown[]>> = {
  add_cross_attention: [false],
  attention_chunk_size: [],
  cross_attention_hidden_size: [],
  dtype: dtypes,
  is_causal: [true],
  is_encoder_decoder: [false],
  per_layer_config: [],
  pruned_heads: [{}],
  quantization: [],
  tie_encoder_decoder: [false],
  torch_dtype: dtypes,
  use_bidirectional_attention: [false],
};

/** Read in every type, beside its own: what kind of model it is, and where its texts end. */
export const sharedFields = [
  "architectures",
  "eos_token_id",
  "layer_types",
  "model_type",
  "quantization_config",
];

/** These change no number in any type: whence it comes, how it was trained, how transformers runs it, tokens by name, text generation. */
export const harmlessFields: readonly string[] = [
  ...["_commit_hash", "_name_or_path", "name_or_path", "transformers_version"],
  ...["attention_dropout", "attn_pdrop", "classifier_dropout", "dropout", "embd_pdrop", "embedding_dropout"],
  ...["gradient_checkpointing", "hidden_dropout", "hidden_dropout_prob", "attention_probs_dropout_prob"],
  ...[
    "init_std",
    "initializer_range",
    "layerdrop",
    "output_router_logits",
    "resid_pdrop",
    "residual_dropout",
  ],
  ...["router_aux_loss_coef", "router_jitter_noise", "summary_*"],
  ...[
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_experts_implementation",
    "attn_implementation",
  ],
  ...["chunk_size_feed_forward", "cache_implementation", "output_attentions", "output_hidden_states"],
  ...["pretraining_tp", "return_dict", "slow_but_exact", "torchscript", "use_bfloat16", "use_cache"],
  ...[
    "finetuning_task",
    "is_llama_config",
    "max_sequence_length",
    "model_max_length",
    "transformers.js_config",
    "unsloth_fixed",
    "unsloth_version",
    "id2label",
    "is_decoder",
    "label2id",
    "num_labels",
    "problem_type",
  ],
  ...["task_specific_params", "tokenizer_class", "prefix"],
  ...["bos_token_id", "cls_token_id", "decoder_start_token_id", "mask_token_id"],
  ...["pad_token_id", "sep_token_id", "unk_token_id"],
  // transformers 5 reads these of generation_config.json only.
  ...["bad_words_ids", "begin_suppress_tokens", "diversity_penalty", "do_sample", "early_stopping"],
  ...["encoder_no_repeat_ngram_size", "epsilon_cutoff", "eta_cutoff", "exponential_decay_length_penalty"],
  ...["forced_bos_token_id", "forced_eos_token_id", "length_penalty", "max_length", "max_new_tokens"],
  ...["min_length", "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_return_sequences"],
  ...["output_scores", "remove_invalid_values", "repetition_penalty", "return_dict_in_generate"],
  ...["suppress_tokens", "temperature", "top_k", "top_p", "typical_p"],
];
