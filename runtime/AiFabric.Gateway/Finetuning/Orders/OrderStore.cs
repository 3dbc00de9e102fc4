using AiFabric.Protocol.OpenAI;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.Finetuning.Orders;

/// <summary>
/// The jobs that clients asked for, with what is wished and seen of them. Several gateways may share the folder: an order never changes, and of each fact about it
/// the first one written stays, so that none has to lock another out.
/// </summary>
/// <remarks><c>FOLDER/jobs/ID/{order,wish,seen,end}.json</c>, <c>FOLDER/jobs/ID/events/KEY.json</c>; <c>FOLDER/open/ID</c> for those that are not done with.</remarks>
public sealed class OrderStore(IOptions<GatewayOptions> options)
{
    private readonly DurableFolder _jobs = new(Path.Combine(options.Value.FilesFolder ?? "", "jobs"));
    private readonly DurableFolder _open = new(Path.Combine(options.Value.FilesFolder ?? "", "open"));

    /// <summary>Keeps an order. When this returns it outlives a kill.</summary>
    /// <exception cref="IOException">The disk is full or away.</exception>
    public void Add(Order order)
    {
        // In this order: a kill between the two leaves a name without an order, which counts for nothing.
        _open.TryAdd(order.Id, new Sighting(order.CreatedAt), OrderJson.Default.Sighting);
        Of(order).Write("order.json", order, OrderJson.Default.Order);
    }

    /// <summary>A tenant's order; null when it has none of that id.</summary>
    public Order? Find(string id, string tenant) => Read(id) is { } order && order.Tenant == tenant ? order : null;

    /// <summary>A tenant's orders, newest first.</summary>
    public IReadOnlyList<Order> List(string tenant) =>
        [.. _jobs.Names().Select(Read).OfType<Order>().Where(order => order.Tenant == tenant).OrderByDescending(order => (order.CreatedAt, order.Id))];

    /// <summary>All orders for which there is something left to do.</summary>
    public IReadOnlyList<Order> Open() => [.. _open.Names().Select(Read).OfType<Order>().OrderBy(order => (order.CreatedAt, order.Id))];

    public Wish WishFor(Order order) => Of(order).Read("wish.json", OrderJson.Default.Wish) ?? new Wish();

    public void SetWish(Order order, Wish wish) => Of(order).Write("wish.json", wish, OrderJson.Default.Wish);

    /// <summary>Whether its FinetuneJob was ever seen.</summary>
    public bool IsTaken(Order order) => Of(order).Read("seen.json", OrderJson.Default.Sighting) is not null;

    public void MarkTaken(Order order, long at) => Of(order).TryAdd("seen.json", new Sighting(at), OrderJson.Default.Sighting);

    public JobEnd? EndOf(Order order) => Of(order).Read("end.json", OrderJson.Default.JobEnd);

    /// <summary>Notes how it ended, unless that is known already.</summary>
    public void End(Order order, JobEnd end) => Of(order).TryAdd("end.json", end, OrderJson.Default.JobEnd);

    /// <summary>There is nothing left to do for it.</summary>
    public void Close(Order order) => File.Delete(_open.At(order.Id));

    /// <summary>Tells an event unless one of this key was told.</summary>
    public void Tell(Order order, string key, FineTuningEvent happened) =>
        Of(order).Below("events").TryAdd($"{key}.json", happened, OrderJson.Default.FineTuningEvent);

    /// <summary>Whether an event of this key was told.</summary>
    public bool HasTold(Order order, string key) => File.Exists(Of(order).Below("events").At($"{key}.json"));

    /// <summary>Its events, newest first.</summary>
    public IReadOnlyList<FineTuningEvent> Events(Order order)
    {
        DurableFolder events = Of(order).Below("events");
        return JobEvents.NewestFirst(events.Names().Select(name => events.Read(name, OrderJson.Default.FineTuningEvent)).OfType<FineTuningEvent>());
    }

    private DurableFolder Of(Order order) => _jobs.Below(order.Id);

    private Order? Read(string id) =>
        id.StartsWith("ftjob-", StringComparison.Ordinal) && id.All(c => char.IsAsciiLetterOrDigit(c) || c == '-')
            ? _jobs.Below(id).Read("order.json", OrderJson.Default.Order)
            : null;
}
