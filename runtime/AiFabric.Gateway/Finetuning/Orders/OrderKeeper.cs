using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Threading.Channels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Kube;
using AiFabric.Protocol.Gateway;
using AiFabric.Protocol.OpenAI;

namespace AiFabric.Gateway.Finetuning.Orders;

/// <summary>
/// Sees what becomes of orders: (1) any change of a FinetuneJob, and the clock, has the open orders looked at; (2) what is new is told as an event; (3) an end is
/// noted, for the FinetuneJob may be deleted long before its client asks.
/// </summary>
public sealed class OrderKeeper(OrderStore orders, IInformer<FinetuneJob> jobs, TimeProvider time, ILogger<OrderKeeper> log) : BackgroundService
{
    /// <summary>The learning rate that a FinetuneJob has by default, which a client's multiplier multiplies.</summary>
    internal const double LearningRate = 5e-4;

    private static readonly TimeSpan Period = TimeSpan.FromSeconds(5);

    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>The job as its client sees it.</summary>
    public FineTuningJob Show(Order order) => JobView.Show(order, orders.WishFor(order), orders.EndOf(order), Live(order), Now);

    /// <summary>Keeps a new order.</summary>
    /// <exception cref="IOException">The disk is full or away.</exception>
    public void Accept(Order order)
    {
        (string key, FineTuningEvent happened) = JobEvents.Created(order);
        orders.Tell(order, key, happened);
        orders.Add(order);
    }

    /// <summary>The API server takes no FinetuneJob for the order.</summary>
    public void Refuse(Order order, string message)
    {
        if (Live(order) is not null)
            return;
        var end = new JobEnd(JobStatuses.Failed, Now, 0, new FineTuningError { Code = "Refused", Message = message });
        Tell(order, JobStatuses.Failed, end, null);
        orders.End(order, end);
        orders.Close(order);
    }

    /// <summary>What the operator is to make of the open orders.</summary>
    public FinetuneOrders Report() => new() { Orders = [.. orders.Open().Select(Report)] };

    /// <summary>The open order of an id, whoever's it is.</summary>
    public Order? Open(string id) => orders.Open().FirstOrDefault(order => order.Id == id);

    private long Now => time.GetUtcNow().ToUnixTimeSeconds();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await jobs.WaitForSyncAsync(stoppingToken);
        using IDisposable changes = jobs.Subscribe(_ => _wake.Writer.TryWrite(true));
        while (!stoppingToken.IsCancellationRequested)
        {
            LookOrLog();
            using var tick = new CancellationTokenSource(Period, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(tick.Token, stoppingToken);
            await ((Task)_wake.Reader.ReadAsync(either.Token).AsTask()).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>The loop's top: orders that cannot be read now, for the volume is away, are looked at when it is back.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "The top of a loop that must go on. It logs the exception.")]
    private void LookOrLog()
    {
        try
        {
            foreach (Order order in orders.Open())
                LookOrLog(order);
        }
        catch (Exception e)
        {
            Log.OrdersNotRead(log, e);
        }
    }

    /// <summary>An order that cannot be looked at must not keep others from it.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "The top of a loop that must go on. It logs the exception.")]
    private void LookOrLog(Order order)
    {
        try
        {
            Look(order);
        }
        catch (Exception e)
        {
            Log.OrderNotKept(log, order.Id, e);
        }
    }

    /// <summary>Takes in how an open order's FinetuneJob stands.</summary>
    internal void Look(Order order)
    {
        FinetuneJob? live = Live(order);
        if (live is not null)
            orders.MarkTaken(order, Now);
        Wish wish = orders.WishFor(order);
        JobEnd? end = orders.EndOf(order) ?? JobView.EndOf(live, live is not null || orders.IsTaken(order), wish, Now);
        Tell(order, end?.Status ?? JobView.StatusOf(wish, live), end, live);
        if (end is null)
            return;
        orders.End(order, end);
        // One that was not accepted could begin to train when its model changes: the operator is asked to delete it first.
        if (!JobView.Lives(live))
            orders.Close(order);
    }

    private void Tell(Order order, string status, JobEnd? end, FinetuneJob? live)
    {
        if (JobEvents.Of(order, status, end, live, Now) is { } due && !orders.HasTold(order, due.Key))
            orders.Tell(order, due.Key, due.Event);
    }

    private FinetuneJob? Live(Order order) => jobs.Get(order.Namespace, order.Id);

    private FinetuneOrder Report(Order order)
    {
        Wish wish = orders.WishFor(order);
        return new FinetuneOrder
        {
            Id = order.Id,
            Namespace = order.Namespace,
            Model = order.Model,
            AdapterName = order.AdapterName,
            DatasetUri = order.DatasetUri,
            Format = order.Format.ToString(),
            EvalUri = order.EvalUri,
            Epochs = order.Epochs,
            BatchSize = order.BatchSize,
            LearningRate = order.LearningRateMultiplier is { } factor ? (factor * LearningRate).ToString("0.##########", CultureInfo.InvariantCulture) : null,
            Seed = order.Seed,
            Suspend = wish.Paused,
            PauseCalls = wish.PauseCalls,
            Cancel = wish.Cancelled || orders.EndOf(order) is not null,
            Taken = orders.IsTaken(order),
        };
    }
}
