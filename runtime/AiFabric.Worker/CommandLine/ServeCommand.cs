using System.CommandLine;
using AiFabric.Engine;

namespace AiFabric.Worker.CommandLine;

/// <summary>The options of <c>serve</c> and how they are read.</summary>
internal static class ServeCommand
{
    private static readonly (string Name, string Description)[] Known =
    [
        ("--model", "URI of the Hugging Face model folder or of a GGUF file: file:///models/demo, file:///models/demo.gguf, hf://org/name[@revision], s3://bucket/prefix, oci://registry/repository:tag, https://host/model.tar.gz. Required."),
        ("--revision", "Revision of the model: a branch, tag or commit of hf://, a tag or digest of oci://, a checksum sha256:… of https://. Default: what the URI says, else the newest."),
        ("--model-cache", "Folder for what is downloaded; workers of one machine may share it. Default: aifabric-models in the folder for temporary files."),
        ("--model-cache-bytes", "What that folder may take; what was not used for the longest time goes. Default: all of its disk."),
        ("--served-name", "Name in OpenAI's model field. Required."),
        ("--host", "Address to listen on. Default 127.0.0.1; 0.0.0.0 for all."),
        ("--port", "Serving port: OpenAI endpoints, health, metrics. Default 8000; 0 takes a free one."),
        ("--control-port", "Control port: training, adapters, load. Default 8001; 0 takes a free one."),
        ("--control-token-file", "File with the bearer token that the control port asks for. Default: the variable AIFABRIC_CONTROL_TOKEN, else none is asked for."),
        ("--dtype", "float32 or bfloat16. Default float32."),
        ("--quantization", "None, or Q8: the base model in 8 bits, quantized while loading; CPU and float32 only. Default None."),
        ("--device", "auto, cpu or cuda. Default auto: CUDA where libtorch has it and finds a device, unless the weights are quantized."),
        ("--threads", "Threads that compute. Default: all cores."),
        ("--kv-blocks", "Blocks of 16 tokens in the key-value cache. Default 2048."),
        ("--kv-cache-dtype", "auto, float32 or bfloat16: how keys and values are kept. Default auto: bfloat16 for models in bfloat16 or Q8, else float32."),
        ("--speculative-method", "None, or PromptLookup: guess tokens from what followed the newest ones before, and check several in one pass; the output stays the same. Default None."),
        ("--speculative-tokens", "Tokens guessed ahead of a request at most, with a speculative method. Default 4."),
        ("--prompt-lookup-min", "Newest tokens that must have occurred before, with PromptLookup. Default 2."),
        ("--prompt-lookup-max", "Newest tokens compared at most, with PromptLookup. Default 4."),
        ("--max-batch-tokens", "Tokens of one iteration at most. Default 512."),
        ("--max-running-requests", "Requests that run at the same time. Default 64."),
        ("--max-queued-requests", "Requests that wait; more are refused with 429. Default 256."),
        ("--max-finetune-tokens", "Finetuning tokens of one iteration; 0 keeps finetuning out. Default 256."),
        ("--finetune-memory-mib", "Mebibytes that the activations of all finetuning jobs may take, beside the key-value cache. Default: no bound."),
        ("--policy", "InferenceFirst or WeightedFair. Default InferenceFirst."),
        ("--tpot-ms", "Objective: milliseconds per output token, which finetuning must leave intact. Default: none."),
        ("--ttft-ms", "Objective: milliseconds to the first token; finetuning yields to the queue that would miss it. Default: none."),
        ("--max-adapters", "Adapters loaded at the same time. Default 16."),
        ("--max-lora-rank", "Largest rank of an adapter. Default 64."),
        ("--linger-seconds", "How long new requests are still taken after SIGTERM, while /ready says no already. Default 5."),
        ("--drain-seconds", "How long running requests may go on after SIGTERM, the linger included. Default 25."),
        ("--max-body-bytes", "Largest request body. Default 4194304."),
    ];

    public static Command Create(Func<string, string?> environment, Func<ServeOptions, CancellationToken, Task<int>> run)
    {
        var command = new Command("serve", "Serves one model over OpenAI's protocol and finetunes it at the same time. Each option can also be set as AIFABRIC_…, as in AIFABRIC_KV_BLOCKS.");
        foreach (var (name, description) in Known)
            command.Add(new Option<string?>(name) { Description = description });
        command.SetAction((parsed, cancellationToken) => run(Read(new OptionReader(parsed, environment)), cancellationToken));
        return command;
    }

    /// <exception cref="UsageException">A value is missing or out of range.</exception>
    private static ServeOptions Read(OptionReader reader)
    {
        var options = new ServeOptions
        {
            Model = reader.RequiredText("--model"),
            Revision = reader.Text("--revision"),
            ModelCacheBytes = reader.OptionalBytes("--model-cache-bytes", 1 << 20),
            Environment = reader.Environment,
            ServedName = reader.RequiredText("--served-name"),
            Host = reader.Text("--host") ?? "127.0.0.1",
            Port = reader.Integer("--port", 8000, 0, 65535),
            ControlPort = reader.Integer("--control-port", 8001, 0, 65535),
            ControlTokenFile = reader.Text("--control-token-file"),
            ControlToken = reader.Secret("AIFABRIC_CONTROL_TOKEN"),
            Type = reader.OneOf("--dtype", "float32", "float32", "bfloat16"),
            Quantization = Enum.Parse<Quantization>(reader.OneOf("--quantization", nameof(Quantization.None), Enum.GetNames<Quantization>())),
            Device = reader.OneOf("--device", "auto", "auto", "cpu", "cuda"),
            Threads = reader.OptionalInteger("--threads", 1, 1024),
            SpeculativeMethod = Enum.Parse<SpeculativeMethod>(
                reader.OneOf("--speculative-method", nameof(SpeculativeMethod.None), Enum.GetNames<SpeculativeMethod>())),
            SpeculativeTokens = reader.Integer("--speculative-tokens", 4, 1, 32),
            PromptLookupMin = reader.Integer("--prompt-lookup-min", 2, 1, 16),
            PromptLookupMax = reader.Integer("--prompt-lookup-max", 4, 1, 16),
            KvCacheType = Enum.Parse<KvCacheType>(reader.OneOf("--kv-cache-dtype", "auto", "auto", "float32", "bfloat16"), ignoreCase: true),
            KvBlocks = reader.Integer("--kv-blocks", 2048, 2, 1 << 24),
            MaxBatchTokens = reader.Integer("--max-batch-tokens", 512, 1, 1 << 20),
            MaxRunningRequests = reader.Integer("--max-running-requests", 64, 1, 1 << 16),
            MaxQueuedRequests = reader.Integer("--max-queued-requests", 256, 1, 1 << 20),
            MaxFinetuneTokens = reader.Integer("--max-finetune-tokens", 256, 0, 1 << 20),
            FinetuneMemoryMebibytes = reader.OptionalInteger("--finetune-memory-mib", 1, 1 << 24),
            Policy = Enum.Parse<CoServingPolicy>(reader.OneOf("--policy", nameof(CoServingPolicy.InferenceFirst), Enum.GetNames<CoServingPolicy>())),
            TpotObjective = reader.Milliseconds("--tpot-ms"),
            TtftObjective = reader.Milliseconds("--ttft-ms"),
            MaxAdapters = reader.Integer("--max-adapters", 16, 0, 4096),
            MaxLoraRank = reader.Integer("--max-lora-rank", 64, 1, 1024),
            Linger = TimeSpan.FromSeconds(reader.Integer("--linger-seconds", 5, 0, 3_600)),
            DrainTimeout = TimeSpan.FromSeconds(reader.Integer("--drain-seconds", 25, 0, 86_400)),
            MaxBodyBytes = reader.Integer("--max-body-bytes", 4 << 20, 1024, 1 << 30),
        };
        if (reader.Text("--model-cache") is { } cache)
            options = options with { ModelCache = cache };
        RequireSpeculation(reader, options);
        if (options.ServedName.Contains(':', StringComparison.Ordinal) || options.ServedName.Any(char.IsWhiteSpace))
            throw new UsageException($"--served-name is '{options.ServedName}'; it may hold no space and no ':', which separates model and adapter.");
        if (options.Port == options.ControlPort && options.Port != 0)
            throw new UsageException($"--port and --control-port are both {options.Port}; they must differ.");
        return options;
    }

    private static void RequireSpeculation(OptionReader reader, ServeOptions options)
    {
        if (options.PromptLookupMin > options.PromptLookupMax)
            throw new UsageException($"--prompt-lookup-min is {options.PromptLookupMin} and --prompt-lookup-max {options.PromptLookupMax}; the first must not exceed the second.");
        if (options.SpeculativeMethod != SpeculativeMethod.None)
            return;
        foreach (string option in (ReadOnlySpan<string>)["--speculative-tokens", "--prompt-lookup-min", "--prompt-lookup-max"])
        {
            if (reader.Text(option) is not null)
                throw new UsageException($"{option} says how tokens are guessed, but --speculative-method is None; set that to PromptLookup, or leave {option} out.");
        }
    }
}
