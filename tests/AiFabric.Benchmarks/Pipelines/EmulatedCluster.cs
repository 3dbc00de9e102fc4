using AiFabric.Crds.Pipelines;
using AiFabric.Gateway.Pipelines.Graph;
using AiFabric.Gateway.Pipelines.Runs;

namespace AiFabric.Benchmarks.Pipelines;

/// <summary>What became of one request, in seconds since its arrival.</summary>
internal readonly record struct Served(double FirstToken, double End);

/// <summary>How an emulated cluster runs requests.</summary>
/// <param name="Execution">Streaming or with barriers.</param>
/// <param name="Order">In which order calls wait.</param>
internal readonly record struct EmulatedWay(PipelineExecution Execution, CallOrder Order = CallOrder.Gateway);

/// <summary>In which order calls wait.</summary>
internal enum CallOrder
{
    /// <summary>The gateway's: by the age of their request, less the time that calls would take which may spare them (<see cref="PipelineGraph.MaySpare"/>).</summary>
    Gateway,

    /// <summary>By the age of their request alone.</summary>
    ByAge,

    /// <summary>In the order in which they were made.</summary>
    ByCall,
}

/// <summary>What is the same for all ways.</summary>
/// <param name="Case">Its name among the figures.</param>
/// <param name="Pass">The GPU.</param>
/// <param name="Aggregate">What is made of the verdicts.</param>
internal sealed record EmulatedSetting(string Case, MeasuredPass Pass, Aggregate Aggregate)
{
    public static readonly IReadOnlyList<EmulatedSetting> All =
    [
        new("emulated", MeasuredPass.H100, Aggregate.AllTrue), new("emulated-every-verdict", MeasuredPass.H100, Aggregate.EveryVerdict),
        new("emulated-a100", MeasuredPass.A100, Aggregate.AllTrue), new("emulated-a100-every-verdict", MeasuredPass.A100, Aggregate.EveryVerdict),
    ];
}

/// <summary>
/// The verification pipeline in virtual time. Requests arrive by a Poisson process whether or not those before are done; each stage has its instances, and a call goes to the least busy one.
/// What runs when is decided by the gateway's own <see cref="PipelineRun"/> and the engine's own scheduler. Nothing is measured by a clock, so that the same seed gives the same figures on
/// any machine.
/// </summary>
internal sealed class EmulatedCluster
{
    private static readonly string[] Stages = [.. FactCheck.Instances.Keys];

    private readonly VirtualClock _clock = new();
    private readonly CompiledPipeline _pipeline;
    private readonly bool _isBarrier;
    private readonly Dictionary<string, EmulatedModel[]> _models;
    private readonly EmulatedSearch[] _search;
    private readonly Served[] _served;
    private readonly CallOrder _order;
    private readonly Dictionary<string, CallPace> _paces = Stages.ToDictionary(stage => stage, _ => new CallPace());

    private EmulatedCluster(EmulatedSetting setting, EmulatedWay way, int requests)
    {
        (_served, _order) = (new Served[requests], way.Order);
        PipelineSpec spec = FactCheck.Spec(way.Execution, setting.Aggregate);
        _pipeline = CompiledPipeline.TryCompile(spec) ?? throw new BenchException(string.Join("; ", PipelineShape.Of(spec).Problems));
        _isBarrier = way.Execution == PipelineExecution.Barrier;
        _models = FactCheck.Instances.Where(stage => stage.Key != FactCheck.Search)
            .ToDictionary(stage => stage.Key, stage => Enumerable.Range(0, stage.Value).Select(_ => new EmulatedModel(_clock, setting.Pass)).ToArray());
        _search = [.. Enumerable.Range(0, FactCheck.Instances[FactCheck.Search]).Select(_ => new EmulatedSearch(_clock))];
    }

    /// <param name="setting">What runs.</param>
    /// <param name="way">How requests are run.</param>
    /// <param name="requestsPerSecond">The load.</param>
    /// <param name="requests">How many arrive; the first tenth does not count.</param>
    /// <param name="seed">Of arrivals and answers.</param>
    /// <returns>In the order of their arrival.</returns>
    public static IReadOnlyList<Served> Run(EmulatedSetting setting, EmulatedWay way, double requestsPerSecond, int requests, int seed)
    {
        var cluster = new EmulatedCluster(setting, way, requests);
        var random = new Random(seed);
        double at = 0;
        for (int i = 0; i < requests; i++)
        {
            at += -Math.Log(1 - random.NextDouble()) / requestsPerSecond;
            var content = new CheckedRequest(random);
            int number = i;
            cluster._clock.At(at, () => cluster.Arrive(content, number));
        }
        cluster._clock.Run();
        return cluster._served[(requests / 10)..];
    }

    private void Arrive(CheckedRequest content, int number)
    {
        var request = new Request(new PipelineRun(_pipeline.Graph, _isBarrier), content, _clock.Now, number);
        Carry(request, request.Run.Begin("question"));
    }

    private void Carry(Request request, IReadOnlyList<RunEffect> effects)
    {
        foreach (RunEffect effect in effects)
        {
            switch (effect)
            {
                case RunEffect.Start start:
                    Begin(request, start.Work, _pipeline.StageOf(start.Work.Node)!.Name, start.Before); // Only stages are called.
                    break;
                case RunEffect.Cancel cancel when request.Calls.TryGetValue(cancel.Work, out Action? end):
                    end();
                    break;
                case RunEffect.Output:
                    request.FirstToken ??= _clock.Now - request.Arrived;
                    break;
                case RunEffect.Finished:
                    _served[request.Number] = new Served(request.FirstToken ?? _clock.Now - request.Arrived, _clock.Now - request.Arrived);
                    break;
            }
        }
    }

    private void Begin(Request request, Work work, string stage, int before)
    {
        double begun = _clock.Now;
        double since = _order switch
        {
            CallOrder.ByCall => begun,
            CallOrder.ByAge => request.Arrived,
            _ => request.Arrived + (before * _paces[stage].Mean.TotalSeconds),
        };
        if (stage == FactCheck.Search)
        {
            request.Calls[work] = _search.MinBy(instance => instance.Load)!.Ask(since, () =>
            {
                Ended(stage, begun);
                Say(request, work, [(0, "found")], 0, 0);
            }); // There are instances.
            return;
        }
        int[] path = [.. Enumerable.Range(0, work.Path.Depth).Select(level => work.Path[level])];
        IReadOnlyList<(int Tokens, string Text)> pieces = FactCheck.Pieces(request.Content, stage, path);
        (int shared, int own) = FactCheck.Prompt(request.Content, stage, path);
        (int said, long offset) = (0, 0);
        request.Calls[work] = _models[stage].MinBy(instance => instance.Load)!.Ask(Array.IndexOf(Stages, stage), shared, own, pieces[^1].Tokens, since, made =>
        {
            if (made >= pieces[^1].Tokens)
                Ended(stage, begun);
            while (said < pieces.Count && pieces[said].Tokens <= made)
                offset = Say(request, work, pieces, said++, offset);
        });
    }

    private void Ended(string stage, double begun) => _paces[stage].Add(TimeSpan.FromSeconds(_clock.Now - begun));

    /// <returns>Where the next piece begins.</returns>
    private long Say(Request request, Work work, IReadOnlyList<(int Tokens, string Text)> pieces, int index, long offset)
    {
        string text = pieces[index].Text;
        Carry(request, request.Run.Feed(new RunEvent.Piece(work, offset, text)));
        offset += text.Length;
        if (index == pieces.Count - 1)
            Carry(request, request.Run.Feed(new RunEvent.Ended(work, offset)));
        return offset;
    }

    private sealed class Request(PipelineRun run, CheckedRequest content, double arrived, int number)
    {
        public PipelineRun Run { get; } = run;

        public CheckedRequest Content { get; } = content;

        public double Arrived { get; } = arrived;

        public int Number { get; } = number;

        public double? FirstToken { get; set; }

        /// <summary>Ends each call that was made.</summary>
        public Dictionary<Work, Action> Calls { get; } = [];
    }
}
