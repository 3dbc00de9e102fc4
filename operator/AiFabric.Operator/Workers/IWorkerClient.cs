using AiFabric.Protocol.Control;

namespace AiFabric.Operator.Workers;

/// <summary>Speaks to workers on their control port. Expected trouble comes back as a value; only cancellation throws.</summary>
internal interface IWorkerClient
{
    Task<WorkerReply<LoadReport>> GetLoadAsync(WorkerPod pod, CancellationToken cancellationToken);

    Task<WorkerReply<AdapterList>> ListAdaptersAsync(WorkerPod pod, CancellationToken cancellationToken);

    Task<WorkerReply<AdapterStatus>> PutAdapterAsync(
        WorkerPod pod, string name, AdapterRequest request, CancellationToken cancellationToken);

    Task<WorkerReply<Nothing>> DeleteAdapterAsync(WorkerPod pod, string name, CancellationToken cancellationToken);

    Task<WorkerReply<TrainingStatus>> PutTrainingAsync(
        WorkerPod pod, string uid, TrainingRequest request, CancellationToken cancellationToken);

    Task<WorkerReply<TrainingStatus>> GetTrainingAsync(WorkerPod pod, string uid, CancellationToken cancellationToken);

    /// <summary>Cancels the training session and makes the worker forget it. Checkpoints stay.</summary>
    Task<WorkerReply<Nothing>> DeleteTrainingAsync(WorkerPod pod, string uid, CancellationToken cancellationToken);
}
