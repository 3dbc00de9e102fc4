using AiFabric.Crds.Pipelines;
using AiFabric.Gateway.Pipelines.Graph;
using AiFabric.Gateway.Pipelines.Runs;

namespace AiFabric.Benchmarks.Pipelines;

/// <summary>What became of one request, in seconds since its arrival.</summary>
internal readonly record struct Served(double FirstToken, double End);

/// <summary>
/// Emulated servers in virtual time: requests arrive by a Poisson process whether or not those before are done, calls wait first come first served
/// for a slot of their server, and what runs when is decided by the gateway's own <see cref="PipelineRun"/>. Nothing is measured by a clock, so that the
/// same seed gives the same figures on any machine.
/// </summary>
internal sealed class EmulatedCluster
{
    private readonly CompiledPipeline _pipeline;
    private readonly bool _isBarrier;
    private readonly PriorityQueue<Action, (double Time, long Order)> _agenda = new();
    private readonly Server _models = new(FactCheck.ModelSlots);
    private readonly Server _search = new(FactCheck.SearchSlots);
    private readonly List<Served> _served = [];
    private double _now;
    private long _order;

    private EmulatedCluster(PipelineExecution execution)
    {
        PipelineSpec spec = FactCheck.Spec(execution);
        _pipeline = CompiledPipeline.TryCompile(spec) ?? throw new BenchException(string.Join("; ", PipelineShape.Of(spec).Problems));
        _isBarrier = execution == PipelineExecution.Barrier;
    }

    /// <param name="execution">How the graph is run.</param>
    /// <param name="requestsPerSecond">The load.</param>
    /// <param name="requests">How many arrive; the first tenth does not count.</param>
    /// <param name="seed">Of arrivals and claims.</param>
    public static IReadOnlyList<Served> Run(PipelineExecution execution, double requestsPerSecond, int requests, int seed)
    {
        var cluster = new EmulatedCluster(execution);
        var random = new Random(seed);
        double at = 0;
        for (int i = 0; i < requests; i++)
        {
            at += -Math.Log(1 - random.NextDouble()) / requestsPerSecond;
            int claims = random.Next(FactCheck.FewestClaims, FactCheck.MostClaims + 1);
            bool counts = i >= requests / 10;
            cluster.At(at, () => cluster.Arrive(claims, counts));
        }
        while (cluster._agenda.TryDequeue(out Action? next, out (double Time, long Order) due))
        {
            cluster._now = due.Time;
            next();
        }
        return cluster._served;
    }

    private void At(double time, Action action) => _agenda.Enqueue(action, (time, _order++));

    private void Arrive(int claims, bool counts)
    {
        var request = new Request(new PipelineRun(_pipeline.Graph, _isBarrier), claims, _now, counts);
        Carry(request, request.Run.Begin("question"));
    }

    private void Carry(Request request, IReadOnlyList<RunEffect> effects)
    {
        foreach (RunEffect effect in effects)
        {
            switch (effect)
            {
                case RunEffect.Start start:
                    string stage = _pipeline.StageOf(start.Work.Node)!.Name; // Only stages are called.
                    Server server = stage == "retrieval" ? _search : _models;
                    server.Enter(() => Begin(request, start.Work, stage, server));
                    break;
                case RunEffect.Output:
                    request.FirstToken ??= _now - request.Arrived;
                    break;
                case RunEffect.Finished when request.Counts:
                    _served.Add(new Served(request.FirstToken ?? _now - request.Arrived, _now - request.Arrived));
                    break;
            }
        }
        // Whoever was made to wait may have room now.
        foreach (Action paused in request.TakePaused())
            paused();
    }

    private void Begin(Request request, Work work, string stage, Server server)
    {
        if (stage == "retrieval")
        {
            At(_now + FactCheck.SearchSeconds, () => Say(request, work, [(0, "found")], 0, 0, _now, server));
            return;
        }
        IReadOnlyList<(int Tokens, string Text)> pieces = FactCheck.Pieces(stage, request.Claims);
        double begun = _now + FactCheck.PromptSeconds;
        At(begun + (pieces[0].Tokens * FactCheck.TokenSeconds), () => Say(request, work, pieces, 0, 0, begun, server));
    }

    private void Say(Request request, Work work, IReadOnlyList<(int Tokens, string Text)> pieces, int index, long offset, double begun, Server server)
    {
        if (request.Run.IsHeld(work.Node))
        {
            double since = _now;
            request.Pause(() => Say(request, work, pieces, index, offset, begun + _now - since, server));
            return;
        }
        string text = pieces[index].Text;
        bool isLast = index == pieces.Count - 1;
        if (!isLast)
        {
            double due = begun + (pieces[index + 1].Tokens * FactCheck.TokenSeconds);
            At(due, () => Say(request, work, pieces, index + 1, offset + text.Length, begun, server));
        }
        Carry(request, request.Run.Feed(new RunEvent.Piece(work, offset, text)));
        if (!isLast)
            return;
        Carry(request, request.Run.Feed(new RunEvent.Ended(work, offset + text.Length)));
        server.Leave();
    }

    private sealed class Request(PipelineRun run, int claims, double arrived, bool counts)
    {
        private List<Action> _paused = [];

        public PipelineRun Run { get; } = run;

        public int Claims { get; } = claims;

        public double Arrived { get; } = arrived;

        public bool Counts { get; } = counts;

        public double? FirstToken { get; set; }

        public void Pause(Action again) => _paused.Add(again);

        public List<Action> TakePaused()
        {
            List<Action> paused = _paused;
            _paused = [];
            return paused;
        }
    }

    /// <summary>Slots, and who waits for one.</summary>
    private sealed class Server(int slots)
    {
        private readonly Queue<Action> _waiting = new();
        private int _busy;

        public void Enter(Action begin)
        {
            if (_busy == slots)
            {
                _waiting.Enqueue(begin);
                return;
            }
            _busy++;
            begin();
        }

        public void Leave()
        {
            if (_waiting.TryDequeue(out Action? next))
                next();
            else
                _busy--;
        }
    }
}
