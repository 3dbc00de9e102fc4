using System.Text;
using System.Threading.Channels;
using AiFabric.Engine.Adapters;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Training;
using AiFabric.Protocol.Control;
using AiFabric.Tests.Tokenization;
using AiFabric.Worker.Backend;

namespace AiFabric.Engine.Tests.Worker;

/// <summary>A model that says what a test tells it to; its tokens are bytes.</summary>
internal sealed class ScriptedBackend : IModelBackend
{
    private readonly Dictionary<string, AdapterStatus> adapters = [];
    private int cancelled;
    private int running;
    private int ended;

    public delegate Task Script(GenerationRequest request, ChannelWriter<TokenEvent> output, CancellationToken cancellationToken);

    /// <summary>What the next generations do; by default they say <see cref="Answer"/>.</summary>
    public Script? Play { get; set; }

    public string Answer { get; set; } = "Hello there.";

    public HuggingFaceTokenizer Tokenizer { get; init; } = TinyTokenizer.Load();

    public IReadOnlyList<int> EndOfSequenceIds => [TinyTokenizer.End];

    public int MaxContextTokens { get; init; } = 200;

    public string Digest => "sha256:scripted";

    public AiFabric.Engine.KvCache.PrefixLedger? Prefixes => null;

    public EngineLoad Load => new(Volatile.Read(ref running), 0, 0, 100, 100, null);

    public Task<Exception?> Completion { get; init; } = new TaskCompletionSource<Exception?>().Task;

    public EngineMetrics Metrics { get; } = new();

    public List<GenerationRequest> Requests { get; } = [];

    public List<ScriptedRun> Runs { get; } = [];

    public int Cancelled => Volatile.Read(ref cancelled);

    public bool Generates { get; init; } = true;

    public int EmbeddingSize => 3;

    public List<EmbeddingRequest> Embedded { get; } = [];

    /// <summary>Embeddings that run at the same time; more are refused.</summary>
    public int MaxEmbeddings { get; init; } = 1000;

    public bool HoldEmbeddings { get; init; }

    public int EmbeddingsEnded => Volatile.Read(ref ended);

    public IReadOnlyList<AdapterStatus> Adapters => [.. adapters.Values];

    public Generation Submit(GenerationRequest request)
    {
        lock (Requests)
            Requests.Add(request);
        var channel = Channel.CreateBounded<TokenEvent>(request.MaxTokens + 1);
        var stop = new CancellationTokenSource();
        Interlocked.Increment(ref running);
        _ = Task.Run(async () =>
        {
            try
            {
                await (Play ?? SayAsync)(request, channel.Writer, stop.Token);
            }
            catch (OperationCanceledException)
            {
                channel.Writer.TryWrite(new TokenEvent { Finish = FinishReason.Cancelled });
            }
            Interlocked.Decrement(ref running);
            channel.Writer.TryComplete();
        });
        return new Generation(new SequenceId(1), channel.Reader, _ =>
        {
            if (!stop.IsCancellationRequested && !channel.Reader.Completion.IsCompleted)
                Interlocked.Increment(ref cancelled);
            stop.Cancel();
        });
    }

    /// <summary>Answers with the vector (number of tokens, first token, 1); never, with <see cref="HoldEmbeddings"/>.</summary>
    public Embedding Embed(EmbeddingRequest request)
    {
        lock (Embedded)
        {
            if (Embedded.Count - ended >= MaxEmbeddings)
                throw new EngineRejectedException(RejectionCodes.QueueFull, "full");
            Embedded.Add(request);
        }
        var channel = Channel.CreateBounded<TokenEvent>(1);
        var states = new StatePool(EmbeddingSize);
        states.Put([request.Tokens.Count, request.Tokens[0], 1], 1);
        states.Commit();
        if (!HoldEmbeddings)
            channel.Writer.TryWrite(new TokenEvent { Finish = FinishReason.Stop });
        return new Embedding(new Generation(new SequenceId(1), channel.Reader, _ => Interlocked.Increment(ref ended)), states);
    }

    public static void Say(ChannelWriter<TokenEvent> output, string text)
    {
        foreach (byte b in Encoding.UTF8.GetBytes(text))
            output.TryWrite(new TokenEvent { Token = b, Logprob = -0.5, TopLogprobs = [new(b, -0.5)] });
    }

    public Task<AdapterHold?> HoldAdapterAsync(string? name, CancellationToken cancellationToken) => Task.FromResult<AdapterHold?>(null);

    public Task<AdapterStatus> LoadAdapterAsync(string name, AdapterRequest request, AdapterFolder folder, CancellationToken cancellationToken) =>
        folder(_ => ReadAdapter(name, request.Digest), cancellationToken);

    private Task<AdapterStatus> ReadAdapter(string name, string? digest)
    {
        if (digest is not null && digest != "sha256:" + name)
            throw new EngineRejectedException(RejectionCodes.AdapterInvalid, "another digest", "digest");
        return Task.FromResult(adapters[name] = new AdapterStatus { Name = name, Digest = "sha256:" + name, Rank = 4 });
    }

    public Task<bool> UnloadAdapterAsync(string name, CancellationToken cancellationToken) => Task.FromResult(adapters.Remove(name));

    public ITrainingRun StartTraining(TrainingRecipe recipe, bool suspended, IDisposable? data)
    {
        data?.Dispose();
        var run = new ScriptedRun(recipe) { Suspended = suspended };
        Runs.Add(run);
        return run;
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private Task SayAsync(GenerationRequest request, ChannelWriter<TokenEvent> output, CancellationToken cancellationToken)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(Answer);
        int count = Math.Min(bytes.Length, request.MaxTokens);
        for (int i = 0; i < count; i++)
        {
            bool last = i == count - 1 && count == request.MaxTokens;
            output.TryWrite(new TokenEvent { Token = bytes[i], Logprob = -0.5, TopLogprobs = [new(bytes[i], -0.5)], Finish = last ? FinishReason.Length : null });
        }
        if (count < request.MaxTokens)
            output.TryWrite(new TokenEvent { Token = TinyTokenizer.End, Logprob = -0.1, Finish = FinishReason.Stop });
        return Task.CompletedTask;
    }
}

/// <summary>A session that only remembers what it was told.</summary>
internal sealed class ScriptedRun(TrainingRecipe recipe) : ITrainingRun
{
    public TrainingRecipe Recipe { get; } = recipe;

    public bool Suspended { get; set; }

    public bool Stopped { get; private set; }

    /// <summary>How it ended; null while it has not.</summary>
    public AiFabric.Engine.Training.TrainingState? End { get; set; }

    public TrainingProgress Progress => new()
    {
        State = End ?? (Suspended ? AiFabric.Engine.Training.TrainingState.Suspended : AiFabric.Engine.Training.TrainingState.Starting),
        Loss = double.NaN,
    };

    public void Suspend() => Suspended = true;

    public void Resume() => Suspended = false;

    public Task StopAsync()
    {
        Stopped = true;
        return Task.CompletedTask;
    }
}
